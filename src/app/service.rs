//! The service: all clusters, the exports and the HTTP server, from the start to a signal.

use std::sync::Arc;

use futures_util::future::{join_all, select_all};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    checked::{Checked, ReadConfig, Reading, kafka_clients, of_modules},
    cluster::{Running, Shared},
    directory,
    election::Election,
    history,
    server::{self, Server},
    signals::{Asked, Signals},
};
use crate::{
    boards::{Boards, BoardsSender},
    certificates::Certificates,
    config::Config,
    exit::Exit,
    http::{self, Reloads},
    probe::{
        heartbeat::trace_queue::TraceSender,
        target::{Modules, renew_files},
    },
    process::{Monitor, Process, keep_giving_memory_back},
    push::Push,
    refusals, supervisor,
    text::Chain,
};

/// Runs the service until a signal. A second signal ends the service at once. SIGHUP and `POST /-/reload` call `read`.
pub async fn run(config: Config, checked: Vec<Checked>, listener: TcpListener, read: ReadConfig) -> Exit {
    // The signals are asked for first, so that a signal during the start is not lost.
    let Ok(mut signals) = Signals::new() else {
        tracing::error!("signals cannot be received");
        return Exit::Internal;
    };
    let (reloads, mut asked) = mpsc::channel(1);
    let watched = config.directory.clone().map(|path| tokio::spawn(directory::watch(path, reloads.clone())));
    let mut service = match Service::start(config, &checked, listener, reloads) {
        Ok(service) => service,
        Err(words) => {
            tracing::error!("{words}");
            return Exit::Internal;
        }
    };
    drop(checked);
    let exit = loop {
        let answer = tokio::select! {
            signal = signals.next() => match signal {
                Asked::Stop => break Exit::Ok,
                Asked::Reload => None,
            },
            Some(answer) = asked.recv() => Some(answer),
            () = service.broken() => break Exit::Internal,
        };
        let result = tokio::select! {
            result = service.reload(&read) => result,
            () = signals.stop() => break Exit::Ok,
        };
        if let Some(answer) = answer {
            // A client that has gone does not need the result, which is in the log as well.
            _ = answer.send(result);
        }
    };
    // A request for a reload that comes from now on is refused at once.
    drop(asked);
    if let Some(watched) = watched {
        watched.abort();
    }
    tracing::info!("stopping");
    supervisor::stopping();
    tokio::select! {
        () = service.stop() => exit,
        () = signals.stop() => Exit::Internal,
    }
}

/// The running parts of the service.
pub(super) struct Service {
    /// The configuration that the service was started with.
    pub(super) config: Config,
    pub(super) clusters: Vec<Running>,
    /// Replaces `boards` when clusters are added, removed or started again.
    pub(super) sender: BoardsSender,
    pub(super) boards: Boards,
    /// What the clusters share.
    pub(super) shared: Shared,
    pub(super) election: Election,
    pub(super) monitor: Arc<Monitor>,
    pub(super) push: Push,
    pub(super) reading: Reading,
    /// The modules of `GET /probe`.
    pub(super) modules: Arc<Modules>,
    server: Server,
    /// Cancelled when the service begins to stop: it is not ready any more.
    stopping: CancellationToken,
}

impl Service {
    /// Starts everything. Connections to Kafka are opened in the background.
    ///
    /// # Errors
    /// What cannot be started, and why.
    pub(super) fn start(
        config: Config,
        checked: &[Checked],
        listener: TcpListener,
        reloads: Reloads,
    ) -> Result<Self, String> {
        let history = history::open(&config);
        log_mistakes(&config);
        let traces = config.otlp.traces.as_ref();
        let (outlet, inlet) = traces.map(|traces| TraceSender::new(traces.share)).unzip();
        let election = Election::start(&config.ha, checked)?;
        let leadership = election.leadership.clone();
        let shared = Shared { history, traces: outlet, leadership, ..Shared::nothing() };
        let mut clusters = Vec::new();
        for checked in checked {
            let running = Running::start(checked, shared.clone());
            let failed = |error| format!("cluster {}: {}", checked.cluster.name, Chain(&error));
            clusters.push(running.map_err(failed)?);
        }
        let stopping = CancellationToken::new();
        let certificates = Arc::new(Certificates::read(&config, kafka_clients(checked)));
        let monitor = Arc::new(Monitor::new(certificates.clone(), config.listing()));
        if !config.refused.is_empty() {
            monitor.config_was_read(None);
        }
        tokio::spawn(async move { certificates.watch().await });
        tokio::spawn(keep_giving_memory_back());
        let (sender, boards) = Boards::new(clusters.iter().map(|running| running.board.clone()).collect());
        let push = Push::start(&config, &boards, monitor.clone(), inlet, &shared.leadership)?;
        let (results, scrapes, facts) = (push.results.clone(), monitor.scrapes.clone(), monitor.clone());
        let process = move || {
            let (exports, traces, published) = results.read();
            Process { exports, traces, published, ..facts.read() }
        };
        tokio::spawn(supervisor::watch(boards.clone(), stopping.clone()));
        tokio::spawn(refusals::watch(boards.clone(), stopping.clone()));
        let state = http::State::new(boards.clone(), &config, Box::new(process), scrapes, stopping.clone());
        let modules = Arc::new(Modules::default());
        modules.replace(&config.modules).map_err(|refused| of_modules(refused).to_string())?;
        tokio::spawn(renew_files(modules.clone(), stopping.clone()));
        let state = state.with_reloads(reloads).with_modules(modules.clone());
        let state = state.with_leadership(shared.leadership.clone());
        let server = Server::start(&config, state, listener);
        Ok(Self {
            config,
            clusters,
            sender,
            boards,
            shared,
            election,
            monitor,
            push,
            reading: None,
            modules,
            server,
            stopping,
        })
    }

    /// Waits until a part has ended, which none should.
    async fn broken(&mut self) {
        if self.clusters.is_empty() {
            // After a reload that could start neither the new settings of a cluster nor the ones before.
            tracing::error!("no cluster is watched any more");
            return;
        }
        let clusters = self.clusters.iter_mut().map(|running| Box::pin(running.broken()));
        tokio::select! {
            _ = select_all(clusters) => {}
            () = self.server.broken() => {}
        }
    }

    /// Ends the heartbeats first and HTTP last: the outcomes of the last heartbeats can still be pushed and scraped.
    async fn stop(self) {
        self.stopping.cancel();
        let limit = self.config.shutdown.grace.saturating_sub(server::GRACE + self.push.flush());
        let stops = self.clusters.into_iter().map(|running| running.stop(limit.mul_f32(0.8)));
        if timeout(limit, join_all(stops)).await.is_err() {
            tracing::warn!("not everything stopped within shutdown.grace");
        }
        self.push.stop().await;
        self.election.stop().await;
        self.server.stop().await;
    }
}

/// Logs what is dangerous in a configuration, and which files of it are not used.
fn log_mistakes(config: &Config) {
    config.warnings.iter().for_each(|words| tracing::warn!("{words}"));
    for words in &config.refused {
        tracing::error!("a file of [clusters] directory is not used: {words}");
    }
}
