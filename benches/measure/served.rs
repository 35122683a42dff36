//! The service's own HTTP server, with a board to show.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::SystemTime,
};

use kafka_heartbeat::{board::Board, config::Config, http};
use tokio_util::sync::CancellationToken;

use crate::sample;

/// A server; dropping it ends it.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Serves a board.
pub(crate) fn serve(board: Board, config: &Config) -> Served {
    let stop = CancellationToken::new();
    let process = || sample::process(SystemTime::UNIX_EPOCH);
    let state =
        Arc::new(http::State::new(vec![board], config, Box::new(process), Arc::default(), stop.clone()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a listener without blocking");
    let address = listener.local_addr().expect("an address");
    let (stopped, limit) = (stop.clone(), config.http.connections);
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            tokio::spawn(http::write_ahead(state.clone()));
            let served = http::listen::serve(listener, None, http::router(state), limit, stopped);
            served.await.expect("the server serves");
        });
    });
    Served { address, stop, thread: Some(thread) }
}

/// Asks as Prometheus does; returns the size of the answer.
pub(crate) fn get(agent: &ureq::Agent, url: &str, accept: &str, encoding: &str) -> usize {
    let request = agent.get(url).header("accept", accept).header("accept-encoding", encoding);
    let answer = request.call().expect("an answer");
    let size = io::copy(&mut answer.into_body().into_reader(), &mut io::sink()).expect("a body");
    usize::try_from(size).expect("a size")
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_some_and(|ended| ended.is_ok()), "the server ends well");
    }
}
