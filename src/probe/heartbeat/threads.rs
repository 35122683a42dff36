//! The threads of a cluster's heartbeats: how they start, and how they stop.
//!
//! Sending, reading and accounting each have an OS thread: a timestamp must not wait for an async worker that renders a
//! page. The threads share channels and nothing else. Each thread ends when the channel that it receives from is closed,
//! so they are stopped by dropping the senders in the right order.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{self, Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    attempts::Attempts,
    bad_log::BadLog,
    callbacks::ClientCallbacks,
    descriptors::Descriptors,
    feed::{Feed, Runs},
    follower::{Follower, LONGEST_GRACE, MakeProducer},
    handover::Handover,
    ledger::{Event, Ledger, Settings},
    ledger_thread::LedgerThread,
    lockout::Lockout,
    moment::Moment,
    readiness::Readiness,
    reading_thread::ReadingThread,
    record::Identity,
    schedule::Slots,
    sending_thread::SendingThread,
    snapshot::Snapshot,
    stall_watch::StallWatch,
    targets::Targets,
    topic_progress::TopicProgress,
    trace_queue::TraceSender,
};
use crate::{
    cluster::metadata,
    config,
    kafka::{Access, Error, Fault, native, wire},
    latency::Bounds,
    task::Latest,
};

/// What the heartbeats of a cluster need from other modules.
pub struct Inputs {
    /// The cluster's settings.
    pub cluster: Arc<config::Cluster>,
    /// Reads log end offsets.
    pub wire: Arc<wire::Cluster>,
    /// The partitions of the topic and their leaders.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// Asks for fresh metadata.
    pub nudge: Arc<Notify>,
    /// The queue of the exporter of traces; `None` if no traces are exported.
    pub traces: Option<TraceSender>,
    /// Takes the heartbeats that are acknowledged.
    pub feed: Feed,
    /// The runs of this process.
    pub runs: Runs,
}

/// The running heartbeats of one cluster.
pub struct Heartbeats {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    /// `None` if heartbeats are switched off.
    clients: Option<Clients>,
    /// The last sender of events: the ledger's thread ends when it is dropped.
    events: mpsc::Sender<Event>,
    threads: Vec<thread::JoinHandle<()>>,
    ended: CancellationToken,
}

struct Clients {
    producer: watch::Receiver<Arc<native::Producer<ClientCallbacks>>>,
    /// Dropped to stop the sending thread.
    sending: mpsc::Sender<()>,
    /// Cancelled to stop the follower, and with it the reading thread: the follower has the only sender of assignments.
    follower: CancellationToken,
}

impl Heartbeats {
    /// Starts the threads, and connects in the background. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// librdkafka refuses the settings, or the system refuses a thread.
    pub fn start(inputs: Inputs) -> Result<Self, Error> {
        let settings = &inputs.cluster.heartbeat;
        let begin = Moment::now();
        let identity = Identity::new(&settings.instance, begin.wall);
        let tolerance = Slots::tolerance(settings.interval);
        let ledger_settings = Settings {
            identity,
            deadline: settings.deadline,
            horizon: settings.horizon,
            tolerance,
            bounds: Bounds::with(settings.objectives.iter().copied().chain([settings.deadline])),
            traces: inputs.traces.as_ref().map(|traces| traces.share),
        };
        if settings.enabled {
            inputs.feed.begin(identity);
            inputs.runs.begin(identity);
        }
        let ledger = Ledger::new(ledger_settings, begin).with_runs(inputs.runs.clone());
        let (publisher, snapshot) = watch::channel(Arc::new(ledger.snapshot(begin.instant)));
        let (events, booked) = mpsc::channel();
        let ledger_thread = LedgerThread {
            ledger,
            events: booked,
            publisher,
            nudge: inputs.nudge.clone(),
            tolerance,
            awake: begin.instant,
            stall_watch: StallWatch::of_process(),
            descriptors: Descriptors::new(begin.instant),
            lockout: Lockout::new(Some(inputs.wire.clone()), begin.instant),
            log: BadLog::new(inputs.cluster.name.as_str().into(), settings.instance.clone()),
            traces: inputs.traces.clone(),
            topic: settings.topic.as_str().into(),
            feed: inputs.feed.clone(),
        };
        let ended = CancellationToken::new();
        let mut heartbeats = Self { snapshot, clients: None, events, threads: Vec::new(), ended };
        heartbeats.spawn("ledger", move || ledger_thread.run())?;
        if settings.enabled {
            heartbeats.start_clients(inputs, identity)?;
        }
        Ok(heartbeats)
    }

    fn start_clients(&mut self, inputs: Inputs, identity: Identity) -> Result<(), Error> {
        let settings = inputs.cluster.heartbeat.clone();
        let cluster = inputs.cluster.name.clone();
        let failed = Arc::new(Notify::new());
        let callbacks = Arc::new(ClientCallbacks { events: self.events.clone(), failed: failed.clone() });
        let access = inputs.wire.access();
        let handover = Handover::new(access.clone(), settings.deadline);
        let make_producer = producer_factory(&inputs.cluster, &access, &callbacks);
        let (publish_producer, producer) = watch::channel(Arc::new(make_producer()?));
        let make_consumer = {
            let cluster = inputs.cluster.clone();
            move || native::Consumer::new(&cluster, &access, callbacks.clone())
        };
        let consumer = make_consumer()?;
        let begun = Instant::now();
        let grace = settings.deadline.min(LONGEST_GRACE);
        let (publish_targets, targets) = watch::channel(Arc::new(Targets::unknown(begun, grace)));
        let (signal, signals) = sync::mpsc::unbounded_channel();
        let (assignments, assigned) = mpsc::channel();
        let (sending, until) = mpsc::channel();
        let stop = CancellationToken::new();
        let follower = Follower {
            cluster: cluster.clone(),
            topic: settings.topic.clone(),
            wire: inputs.wire,
            producer: publish_producer,
            make_producer,
            metadata: inputs.metadata,
            assignments,
            events: self.events.clone(),
            targets: publish_targets,
            begun,
            grace,
            progress: TopicProgress::default(),
            readiness: Readiness::new(begun, grace),
            failed,
            repair: Attempts::default(),
            handover,
            signals,
            signal: signal.clone(),
        };
        tokio::spawn(follower.run(stop.clone()));
        let reading = ReadingThread::new(cluster, consumer, make_consumer, self.events.clone(), signal);
        self.spawn("consumer", move || reading.run(&assigned))?;
        let sending_thread = SendingThread {
            settings,
            identity,
            producer: producer.clone(),
            targets,
            events: self.events.clone(),
            buffer: Vec::new(),
            traces: inputs.traces.map(|traces| traces.share),
        };
        self.spawn("producer", move || sending_thread.run(&until))?;
        self.clients = Some(Clients { producer, sending, follower: stop });
        Ok(())
    }

    /// Starts a thread. Its end, for whatever reason, cancels [`Heartbeats::ended`].
    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        // The guard reports the end of the thread, also after a panic.
        let ended = self.ended.clone().drop_guard();
        let work = move || {
            let _ended = ended;
            work();
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(|error| {
            Error::new(Fault::Other, format!("cannot start the {name} thread")).because(error)
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// The ledger's snapshots: several in a second while heartbeats are sent.
    pub fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// Cancelled when a thread ends. Before [`Heartbeats::stop`] that is a bug, and the process should end.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Stops in order: sends no new heartbeats, waits for those in flight for at most `limit`, and ends the others as
    /// skipped. Returns the last snapshot.
    pub async fn stop(self, limit: Duration) -> Arc<Snapshot> {
        let Self { mut snapshot, clients, events, threads, .. } = self;
        if let Some(Clients { producer, sending, follower }) = clients {
            drop(sending);
            let settled = snapshot.wait_for(|snapshot| snapshot.totals.in_flight == 0);
            if tokio::time::timeout(limit, settled).await.is_err() {
                tracing::info!("not every heartbeat in flight ended in time");
            }
            follower.cancel();
            // The client reports the records that it drops as failed. The ledger stops before, since Kafka is not to blame.
            if events.send(Event::Stopped).is_err() {
                tracing::debug!("the ledger has stopped");
            }
            let producer = producer.borrow().clone();
            let finish = move || producer.finish(Duration::ZERO);
            join(tokio::task::spawn_blocking(finish)).await;
        }
        drop(events);
        join(tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a heartbeat thread panicked");
                }
            }
        }))
        .await;
        snapshot.borrow().clone()
    }
}

/// A closure that creates producers of heartbeats.
fn producer_factory(
    cluster: &Arc<config::Cluster>,
    access: &Access,
    callbacks: &Arc<ClientCallbacks>,
) -> MakeProducer {
    let (cluster, access, callbacks) = (cluster.clone(), access.clone(), callbacks.clone());
    Box::new(move || native::Producer::new(&cluster, &access, callbacks.clone()))
}

/// Waits for a blocking piece of work.
async fn join(blocking: tokio::task::JoinHandle<()>) {
    if let Err(error) = blocking.await {
        tracing::error!("stopping the heartbeats failed: {error}");
    }
}
