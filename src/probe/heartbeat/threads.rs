//! The threads of a cluster's heartbeats, and how they end.
//!
//! SendingThread, reading and accounting each have an OS thread: a timestamp must not wait for an async
//! worker that renders a page. They talk by channels alone; each ends when the channel it listens to
//! is closed, so stopping is dropping senders in the right order.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::{self, Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    bad_log::BadLog,
    callbacks::ClientCallbacks,
    descriptors::Descriptors,
    follower::{Follower, LONGEST_GRACE, MakeProducer},
    ledger::{Event, Ledger, Settings},
    ledger_thread::LedgerThread,
    readiness::Readiness,
    reading_thread,
    record::Identity,
    repair::Repair,
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
    kafka::{Error, Fault, native, wire},
    latency::Bounds,
    task::Latest,
};

/// What the heartbeats of a cluster need from others.
pub struct Inputs {
    /// The cluster's settings.
    pub cluster: Arc<config::Cluster>,
    /// For log ends.
    pub wire: Arc<wire::Cluster>,
    /// For partitions and leaders.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// Asks for fresh metadata.
    pub nudge: Arc<Notify>,
    /// Where heartbeats are told in traces, if they are.
    pub outlet: Option<TraceSender>,
}

/// The running heartbeats of one cluster.
pub struct Heartbeats {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    clients: Option<Clients>,
    /// The last sender: when it is dropped the books are closed.
    events: mpsc::Sender<Event>,
    threads: Vec<thread::JoinHandle<()>>,
    ended: CancellationToken,
}

struct Clients {
    producer: watch::Receiver<Arc<native::Producer<ClientCallbacks>>>,
    /// Dropped to stop the sending thread.
    sending: mpsc::Sender<()>,
    /// Cancelled to stop the reading thread: it holds the only sender of assignments.
    follower: CancellationToken,
}

impl Heartbeats {
    /// Starts the threads; connects to nothing yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// librdkafka refuses the settings, or the system refuses a thread.
    pub fn start(needs: Inputs) -> Result<Self, Error> {
        let settings = &needs.cluster.heartbeat;
        let (begin, wall) = (Instant::now(), SystemTime::now());
        let identity = Identity::new(&settings.instance, wall);
        let bounds = Bounds::with(settings.objectives.iter().copied().chain([settings.deadline]));
        let (deadline, horizon) = (settings.deadline, settings.horizon);
        let traces = needs.outlet.as_ref().map(|outlet| outlet.share);
        let tolerance = Slots::tolerance(settings.interval);
        let ledger =
            Ledger::new(Settings { identity, deadline, horizon, tolerance, bounds, traces }, begin, wall);
        let (publisher, snapshot) = watch::channel(Arc::new(ledger.snapshot(begin)));
        let (events, booked) = mpsc::channel();
        let accounts = LedgerThread {
            ledger,
            events: booked,
            publisher,
            nudge: needs.nudge.clone(),
            tolerance,
            awake: begin,
            pulse: StallWatch::of_process(),
            descriptors: Descriptors::new(begin),
            log: BadLog::new(needs.cluster.name.as_str().into(), settings.instance.clone()),
            outlet: needs.outlet.clone(),
            topic: settings.topic.as_str().into(),
        };
        let ended = CancellationToken::new();
        let mut heartbeats = Self { snapshot, clients: None, events, threads: Vec::new(), ended };
        heartbeats.spawn("ledger", move || accounts.run())?;
        if settings.enabled {
            heartbeats.start_clients(needs, identity)?;
        }
        Ok(heartbeats)
    }

    fn start_clients(&mut self, needs: Inputs, identity: Identity) -> Result<(), Error> {
        let settings = needs.cluster.heartbeat.clone();
        let traces = needs.outlet.map(|outlet| outlet.share);
        let failed = Arc::new(Notify::new());
        let reports = Arc::new(ClientCallbacks { events: self.events.clone(), failed: failed.clone() });
        let (cluster, to) = (needs.cluster.clone(), reports.clone());
        let renew: MakeProducer = Box::new(move || native::Producer::new(&cluster, to.clone()));
        let (publish_producer, producer) = watch::channel(Arc::new(renew()?));
        let cluster = needs.cluster.clone();
        let connect = move || native::Consumer::new(&cluster, reports.clone());
        let consumer = connect()?;
        let (begun, grace) = (Instant::now(), settings.deadline.min(LONGEST_GRACE));
        let (publish_targets, targets) = watch::channel(Arc::new(Targets::unknown(begun, grace)));
        let (prove, proofs) = sync::mpsc::unbounded_channel();
        let (assignments, assigned) = mpsc::channel();
        let (sending, until) = mpsc::channel();
        let follower = CancellationToken::new();
        let following = Follower {
            cluster: needs.cluster.name.clone(),
            topic: settings.topic.clone(),
            wire: needs.wire,
            producer: publish_producer,
            renew,
            metadata: needs.metadata,
            assignments,
            events: self.events.clone(),
            targets: publish_targets,
            begun,
            grace,
            progress: TopicProgress::default(),
            start: Readiness::new(begun, grace),
            failed,
            repair: Repair::default(),
            proofs,
            prove: prove.clone(),
        };
        tokio::spawn(following.run(follower.clone()));
        let (events, cluster) = (self.events.clone(), needs.cluster.name.clone());
        let reading = reading_thread::ReadingThread::new(cluster, consumer, connect, events, prove);
        self.spawn("consumer", move || reading.run(&assigned))?;
        let (native, events) = (producer.clone(), self.events.clone());
        let sending_thread =
            SendingThread { settings, identity, native, targets, events, buffer: Vec::new(), traces };
        self.spawn("producer", move || sending_thread.run(&until))?;
        self.clients = Some(Clients { producer, sending, follower });
        Ok(())
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        // However a thread ends, also by a panic, the guard says so.
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

    /// The ledger's word, a few times a second.
    pub fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// Cancelled when a thread ends: before [`Heartbeats::stop`] that is a bug, and the process should end.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Stops in order: no new heartbeats; wait for those in flight, at most `limit`; end the rest as
    /// skipped; close the books. Returns the last snapshot.
    pub async fn stop(self, limit: Duration) -> Arc<Snapshot> {
        let Self { mut snapshot, clients, events, threads, .. } = self;
        if let Some(Clients { producer, sending, follower }) = clients {
            drop(sending);
            let settled = snapshot.wait_for(|snapshot| snapshot.totals.in_flight == 0);
            if tokio::time::timeout(limit, settled).await.is_err() {
                tracing::info!("not every heartbeat in flight ended in time");
            }
            follower.cancel();
            // Before the client drops what it still has: that it reports them as failed is our doing.
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

async fn join(blocking: tokio::task::JoinHandle<()>) {
    if let Err(error) = blocking.await {
        tracing::error!("stopping the heartbeats failed: {error}");
    }
}
