//! Builds everything, binds, spawns, waits, drains: the picture of the data flow.
//!
//! HTTP comes first: `/metrics` answers before Kafka is contacted. A cluster is one set of tasks and one
//! board; clusters share nothing but the process. A task may fail for ever, but it may not end: the first
//! that does stops everything, and the process exits with 70.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    board::{Board, Task},
    certificates::{Certificates, OwnCertificate, Purpose},
    cluster::metadata,
    collect::{log_dirs, transactions},
    config::{self, Config, Errors, Problem},
    exit::Exit,
    export::otlp,
    http,
    kafka::{
        Error, native,
        wire::{self, PropertyError},
    },
    monitor::{self, HistoryFile},
    probe::{
        connectivity,
        heartbeat::{
            threads::{Heartbeats, Inputs},
            trace_queue::TraceSender,
        },
        topic,
    },
    process::{Monitor, Process, http_connections, keep_giving_memory_back},
    push::Push,
    refusals,
    store::Store,
    supervisor,
    task::{self, Cycle, Latest, Schedule},
    text::Chain,
    verdict::{self, Verdict},
};

/// What HTTP gets of the grace time: the page's event streams end, scrapes under way are answered.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// A configured cluster that was checked as far as that is possible without connecting.
pub struct Checked {
    /// Its settings.
    pub cluster: Arc<config::Cluster>,
    /// The wire client of the cluster: its settings and the counters of its connections.
    pub wire: Arc<wire::Client>,
}

/// Checks the client properties of every cluster, with both clients.
///
/// # Errors
/// All that is wrong.
pub fn check(config: &Config) -> Result<Vec<Checked>, Errors> {
    let mut errors = Errors::default();
    let mut checked = Vec::new();
    for cluster in &config.clusters {
        let mut refused = native::check(cluster);
        match wire::Client::from_properties(&cluster.kafka) {
            Ok(wire) => checked.push(Checked { cluster: Arc::new(cluster.clone()), wire: Arc::new(wire) }),
            Err(found) => {
                // What is misspelt is told once, with the better advice.
                let told = |error: &PropertyError| refused.iter().any(|refused| refused.key == error.key);
                let fresh: Vec<_> = found.into_iter().filter(|error| !told(error)).collect();
                refused.extend(fresh);
            }
        }
        if refused.is_empty() {
            refused = native::check_together(cluster);
        }
        let of =
            if config.clusters.len() > 1 { format!("cluster {}: ", cluster.name) } else { String::new() };
        for PropertyError { key, place, message } in refused {
            errors.add(Problem { place, message: format!("{of}{key}: {message}") });
        }
    }
    if let Some(Err(message)) = config.http.tls.as_ref().map(http::listen::check) {
        errors.add(Problem { place: String::new(), message });
    }
    if let Err(message) = otlp::check(&config.otlp) {
        errors.add(Problem { place: String::new(), message });
    }
    errors.or(checked)
}

/// One cluster's running parts.
pub struct Running {
    /// What its tasks publish.
    pub board: Board,
    heartbeats: Heartbeats,
    tasks: Tasks,
}

/// A cluster's tasks, and what ends them.
#[derive(Default)]
struct Tasks {
    all: JoinSet<()>,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task; returns where its last word is. Of one that is switched off there is none.
    fn spawn<C: Cycle>(&mut self, every: Schedule, work: Option<C>) -> watch::Receiver<Latest<C::Snapshot>> {
        let (publish, latest) = watch::channel(Latest::new(every.interval));
        if let Some(work) = work {
            self.all.spawn(task::run(work, every, publish, self.stop.clone()));
        }
        latest
    }
}

impl Running {
    /// Starts a cluster's tasks; connects in the background.
    ///
    /// # Errors
    /// What [`Heartbeats::start`] refuses.
    pub fn start(
        checked: &Checked,
        history: HistoryFile,
        outlet: Option<TraceSender>,
    ) -> Result<Self, Error> {
        let Checked { cluster, wire: client } = checked;
        let config::Cluster { name, metadata: look, topic: duty, connectivity: check, .. } = &**cluster;
        native::warnings(cluster).iter().for_each(|words| tracing::warn!(cluster = name, "{words}"));
        let mut tasks = Tasks::default();
        let wire = Arc::new(wire::Cluster::new(client.clone(), look.timeout));
        let schedule = |task: Task, interval, limit| {
            Schedule::every(format!("{name}/{}", task.as_str()), interval, limit)
        };
        let runs = |task: Task| task.runs(cluster);

        let every = schedule(Task::Metadata, look.interval, look.timeout);
        let look_again = every.nudge.clone();
        let metadata = tasks.spawn(every, Some(metadata::Probe::new(cluster.clone(), wire.clone())));

        let every = schedule(Task::Connectivity, check.interval, check.interval);
        let probe = || connectivity::Probe::new(cluster.clone(), client.clone(), metadata.clone());
        let connectivity = tasks.spawn(every, runs(Task::Connectivity).then(probe));

        let every = schedule(Task::Topic, duty.interval, duty.timeout);
        let again = every.nudge.clone();
        let probe = || topic::Probe::new(cluster.clone(), wire.clone(), metadata.clone(), look_again.clone());
        let topic = tasks.spawn(every, runs(Task::Topic).then(probe));
        if runs(Task::Topic) {
            let watch = topic::watch(metadata.clone(), topic.clone(), again, tasks.stop.clone());
            tasks.all.spawn(watch);
        }

        let every = monitor::interval(cluster);
        let probe = || monitor::Probe::new(cluster.clone(), wire.clone(), metadata.clone()).with(history);
        let collect = tasks.spawn(schedule(Task::Collect, every, every), runs(Task::Collect).then(probe));

        let asks = &cluster.transactions;
        let probe = || transactions::Probe::new(cluster.clone(), wire.clone(), metadata.clone());
        let every = schedule(Task::Transactions, asks.interval, asks.timeout);
        let transactions = tasks.spawn(every, runs(Task::Transactions).then(probe));

        let asks = &cluster.log_dirs;
        let probe = || log_dirs::Probe::new(cluster.clone(), wire.clone(), metadata.clone());
        let every = schedule(Task::LogDirs, asks.interval, asks.timeout);
        let log_dirs = tasks.spawn(every, runs(Task::LogDirs).then(probe));

        let (cluster, nudge) = (cluster.clone(), look_again);
        let needs =
            Inputs { cluster: cluster.clone(), wire, metadata: metadata.clone(), nudge, traces: outlet };
        let heartbeats = Heartbeats::start(needs)?;
        let heartbeat = heartbeats.snapshot();

        let (publish, verdict) = watch::channel(Arc::new(Verdict::unknown()));
        let inputs = verdict::Inputs {
            settings: cluster.heartbeat.clone(),
            expected_brokers: cluster.metadata.expected_brokers,
            heartbeat: heartbeat.clone(),
            connectivity: connectivity.clone(),
            metadata: metadata.clone(),
            topic: topic.clone(),
        };
        tasks.all.spawn(verdict::run(inputs, publish, tasks.stop.clone()));

        let board = Board {
            name: cluster.name.as_str().into(),
            settings: cluster,
            started: SystemTime::now(),
            wire: client.clone(),
            heartbeat,
            connectivity,
            metadata,
            topic,
            collect,
            transactions,
            log_dirs,
            verdict,
        };
        Ok(Self { board, heartbeats, tasks })
    }

    /// Returns when a task or a thread has ended, which none should.
    async fn broken(&mut self) {
        tokio::select! {
            () = self.heartbeats.ended().cancelled_owned() => tracing::error!("a heartbeat thread has ended"),
            Some(ended) = self.tasks.all.join_next() => tracing::error!("a task has ended: {ended:?}"),
        }
    }

    /// Ends the heartbeats in order, then the tasks.
    pub async fn stop(mut self, limit: Duration) -> Board {
        self.heartbeats.stop(limit).await;
        self.tasks.stop.cancel();
        while self.tasks.all.join_next().await.is_some() {}
        self.board
    }
}

/// Binds the address of `[http] listen`: the first thing that a service does, because the port may be taken.
///
/// # Errors
/// [`Exit::Port`]; the log has the reason and the remedy.
pub async fn listen(config: &Config) -> Result<TcpListener, Exit> {
    TcpListener::bind(config.http.listen).await.map_err(|error| {
        let (listen, hint) = (config.http.listen, port_hint(&error));
        tracing::error!("cannot listen on {listen}: {error}{hint}");
        Exit::Port
    })
}

/// The certificates that are presented to Kafka's brokers.
fn kafka_certificates(clusters: &[Checked]) -> Vec<OwnCertificate> {
    let certificates = clusters.iter().filter_map(|Checked { cluster, wire }| {
        let expires = wire.own_certificate_expiry()?;
        Some(OwnCertificate { cluster: cluster.name.clone(), purpose: Purpose::Kafka, expires })
    });
    certificates.collect()
}

/// Opens the history file.
fn history(path: &Path, config: &Config) -> HistoryFile {
    let store = match Store::open(path) {
        Ok(store) => store,
        Err(words) => {
            tracing::error!("histories are kept in memory alone: {words}");
            return HistoryFile::NotOpened;
        }
    };
    let names: Vec<&str> = config.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    match store.forget_others(&names) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "clusters that are configured no more are forgotten"),
        Err(error) => tracing::warn!("the history cannot be tidied up: {error}"),
    }
    HistoryFile::Open(Arc::new(store))
}

/// Runs the service until a signal; a second signal ends it at once.
pub async fn run(config: Config, checked: Vec<Checked>, listener: TcpListener) -> Exit {
    // Asked for first, so that a signal during the start is not lost.
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received");
        return Exit::Internal;
    };
    let mut clusters = Vec::new();
    let history =
        config.history.path.as_deref().map_or(HistoryFile::NotConfigured, |path| history(path, &config));
    config.warnings.iter().for_each(|words| tracing::warn!("{words}"));
    let traces = config.otlp.traces.as_ref();
    let (outlet, inlet) = traces.map(|traces| TraceSender::new(traces.share)).unzip();
    for checked in &checked {
        match Running::start(checked, history.clone(), outlet.clone()) {
            Ok(running) => clusters.push(running),
            Err(error) => {
                tracing::error!("cluster {}: {}", checked.cluster.name, Chain(&error));
                return Exit::Internal;
            }
        }
    }
    let (stopping, stopped) = (CancellationToken::new(), CancellationToken::new());
    let certificates = Arc::new(Certificates::read(&config, kafka_certificates(&checked)));
    let monitor = Arc::new(Monitor::new(certificates.clone()));
    tokio::spawn(async move { certificates.watch().await });
    tokio::spawn(keep_giving_memory_back());
    let boards: Vec<Board> = clusters.iter().map(|running| running.board.clone()).collect();
    let push = match Push::start(&config, boards.clone(), monitor.clone(), inlet) {
        Ok(push) => push,
        Err(words) => {
            tracing::error!("{words}");
            return Exit::Internal;
        }
    };
    let (results, scrapes) = (push.results.clone(), monitor.scrapes.clone());
    let process = move || {
        let (exports, traces, published) = results.read();
        Process { exports, traces, published, ..monitor.read() }
    };
    tokio::spawn(supervisor::watch(boards.clone(), stopping.clone()));
    tokio::spawn(refusals::watch(boards.clone(), stopping.clone()));
    let state = http::State::new(boards, &config, Box::new(process), scrapes, stopping.clone());
    let state = Arc::new(state);
    tokio::spawn(http::write_ahead(state.clone()));
    let router = http::router(state);
    if let Ok(address) = listener.local_addr() {
        let scheme = if config.http.tls.is_some() { "https" } else { "http" };
        tracing::info!("listening on {scheme}://{address}/");
        supervisor::ready(&format!("{scheme}://{address}/"));
        if config.http.basic.is_some() && config.http.tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!("without [http] tls.certificate the password travels in clear text");
        }
    }
    let (tls, limit) = (config.http.tls.clone(), http_connections(config.http.connections));
    let ended = CancellationToken::new();
    let server = {
        let (stopped, guard) = (stopped.clone(), ended.clone().drop_guard());
        tokio::spawn(async move {
            let _guard = guard;
            if let Err(error) = http::listen::serve(listener, tls, router, limit, stopped).await {
                tracing::error!("HTTP cannot be served: {error}");
            }
        })
    };

    let exit = {
        let broken = clusters.iter_mut().map(|running| Box::pin(running.broken()));
        tokio::select! {
            _ = term.recv() => Exit::Ok,
            _ = interrupt.recv() => Exit::Ok,
            _ = futures_util::future::select_all(broken) => Exit::Internal,
            () = ended.cancelled() => {
                tracing::error!("the HTTP server has ended");
                Exit::Internal
            }
        }
    };
    tracing::info!("stopping");
    supervisor::stopping();
    stopping.cancel();
    let drain = drain(clusters, push, server, stopped, config.shutdown.grace);
    tokio::select! {
        () = drain => exit,
        _ = term.recv() => Exit::Internal,
        _ = interrupt.recv() => Exit::Internal,
    }
}

/// Heartbeats first, HTTP last: what they end as can still be pushed and scraped.
async fn drain(
    clusters: Vec<Running>,
    push: Push,
    server: tokio::task::JoinHandle<()>,
    stopped: CancellationToken,
    grace: Duration,
) {
    let limit = grace.saturating_sub(HTTP_GRACE + push.flush());
    let stops = clusters.into_iter().map(|running| running.stop(limit.mul_f32(0.8)));
    if timeout(limit, futures_util::future::join_all(stops)).await.is_err() {
        tracing::warn!("not everything stopped within shutdown.grace");
    }
    push.stop().await;
    stopped.cancel();
    if timeout(HTTP_GRACE, server).await.is_err() {
        tracing::debug!("an HTTP connection was still open");
    }
}

fn port_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another process has the port; choose one with --listen or [http] listen"
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need a permission; choose another with --listen"
        }
        _ => "",
    }
}
