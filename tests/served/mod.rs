//! A server of the sample on a loopback port, and a plain client.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use kafka_heartbeat::{board::Readings, config::Config, http};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use ureq::{Agent, Body, http::Response};

use crate::{
    sample::{board, config, process, sample},
    support::api,
};

/// The most time for one step on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A server of its own for each test; it ends with the test.
pub(crate) struct Server {
    address: SocketAddr,
    pub(crate) stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::of(|_| {})
    }

    /// A server of the sample, after `change`.
    pub(crate) fn of(change: impl FnOnce(&mut Vec<Readings>)) -> Self {
        Self::with(|_| {}, change)
    }

    /// A server of the sample, after `change`, with the settings after `set`.
    pub(crate) fn with(set: impl FnOnce(&mut Config), change: impl FnOnce(&mut Vec<Readings>)) -> Self {
        let (mut config, wall, stop) = (config(), SystemTime::now(), CancellationToken::new());
        set(&mut config);
        let mut readings = sample(&config, wall);
        change(&mut readings);
        let boards: Vec<_> = readings.into_iter().map(board).collect();
        let state =
            http::State::new(boards, &config, Box::new(move || process(wall)), Arc::default(), stop.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener without blocking");
        let address = listener.local_addr().expect("an address");
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let server = axum::serve(listener, http::router(Arc::new(state)));
                let served = server.with_graceful_shutdown(stopped.cancelled_owned()).await;
                served.expect("the server ends well");
            });
        });
        Self { address, stop, thread: Some(thread) }
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = agent().get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.call().expect("an answer")
    }

    pub(crate) fn text(&self, path: &str, accept: &str) -> String {
        let mut response = self.get(path, &[("accept", accept)]);
        let text = response.body_mut().read_to_string().expect("text");
        api::check(path, response.status().as_u16(), header(&response, "content-type"), &text);
        text
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path, "*/*")).expect("JSON")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the server panicked");
    }
}

/// A client that opens a connection for each request, so that the server does not wait for an idle one when it ends.
pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(LIMIT));
    config.max_idle_connections(0).build().into()
}

pub(crate) fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
