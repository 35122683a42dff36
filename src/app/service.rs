//! The service: all clusters, the exports and the HTTP server, from the start to a signal.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join_all, select_all};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    checked::{Checked, kafka_clients},
    cluster::Running,
    history,
    server::{self, Server},
    signals::Signals,
};
use crate::{
    board::Board,
    certificates::Certificates,
    config::Config,
    exit::Exit,
    http,
    probe::heartbeat::trace_queue::TraceSender,
    process::{Monitor, Process, keep_giving_memory_back},
    push::Push,
    refusals, supervisor,
    text::Chain,
};

/// Runs the service until a signal. A second signal ends the service at once.
pub async fn run(config: Config, checked: Vec<Checked>, listener: TcpListener) -> Exit {
    // The signals are asked for first, so that a signal during the start is not lost.
    let Ok(mut signals) = Signals::new() else {
        tracing::error!("signals cannot be received");
        return Exit::Internal;
    };
    let mut service = match Service::start(&config, &checked, listener) {
        Ok(service) => service,
        Err(words) => {
            tracing::error!("{words}");
            return Exit::Internal;
        }
    };
    let exit = tokio::select! {
        () = signals.next() => Exit::Ok,
        () = service.broken() => Exit::Internal,
    };
    tracing::info!("stopping");
    supervisor::stopping();
    tokio::select! {
        () = service.stop(config.shutdown.grace) => exit,
        () = signals.next() => Exit::Internal,
    }
}

/// The running parts of the service.
struct Service {
    clusters: Vec<Running>,
    push: Push,
    server: Server,
    /// Cancelled when the service begins to stop: it is not ready any more.
    stopping: CancellationToken,
}

impl Service {
    /// Starts everything. Connections to Kafka are opened in the background.
    ///
    /// # Errors
    /// What cannot be started, and why.
    fn start(config: &Config, checked: &[Checked], listener: TcpListener) -> Result<Self, String> {
        let history = history::open(config);
        config.warnings.iter().for_each(|words| tracing::warn!("{words}"));
        let traces = config.otlp.traces.as_ref();
        let (outlet, inlet) = traces.map(|traces| TraceSender::new(traces.share)).unzip();
        let mut clusters = Vec::new();
        for checked in checked {
            let running = Running::start(checked, history.clone(), outlet.clone());
            let failed = |error| format!("cluster {}: {}", checked.cluster.name, Chain(&error));
            clusters.push(running.map_err(failed)?);
        }
        let stopping = CancellationToken::new();
        let certificates = Arc::new(Certificates::read(config, kafka_clients(checked)));
        let monitor = Arc::new(Monitor::new(certificates.clone()));
        tokio::spawn(async move { certificates.watch().await });
        tokio::spawn(keep_giving_memory_back());
        let boards: Vec<Board> = clusters.iter().map(|running| running.board.clone()).collect();
        let push = Push::start(config, boards.clone(), monitor.clone(), inlet)?;
        let (results, scrapes) = (push.results.clone(), monitor.scrapes.clone());
        let process = move || {
            let (exports, traces, published) = results.read();
            Process { exports, traces, published, ..monitor.read() }
        };
        tokio::spawn(supervisor::watch(boards.clone(), stopping.clone()));
        tokio::spawn(refusals::watch(boards.clone(), stopping.clone()));
        let state = http::State::new(boards, config, Box::new(process), scrapes, stopping.clone());
        let server = Server::start(config, state, listener);
        Ok(Self { clusters, push, server, stopping })
    }

    /// Waits until a part has ended, which none should.
    async fn broken(&mut self) {
        let clusters = self.clusters.iter_mut().map(|running| Box::pin(running.broken()));
        tokio::select! {
            _ = select_all(clusters) => {}
            () = self.server.broken() => {}
        }
    }

    /// Ends the heartbeats first and HTTP last: the outcomes of the last heartbeats can still be pushed and scraped.
    async fn stop(self, grace: Duration) {
        self.stopping.cancel();
        let limit = grace.saturating_sub(server::GRACE + self.push.flush());
        let stops = self.clusters.into_iter().map(|running| running.stop(limit.mul_f32(0.8)));
        if timeout(limit, join_all(stops)).await.is_err() {
            tracing::warn!("not everything stopped within shutdown.grace");
        }
        self.push.stop().await;
        self.server.stop().await;
    }
}
