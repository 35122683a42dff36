//! How both clients are replaced by clients with renewed certificates, without a pause between heartbeats.
//!
//! The new producer connects to every leader while the old one goes on. Then it takes over, and the old producer finishes
//! its records in flight. The new consumer begins to read where the old one is, and both read until the new one has read
//! every partition. If the brokers do not accept the new clients, the old ones go on, and another attempt follows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::sleep_until,
};

use super::{attempts::Attempts, callbacks::ClientCallbacks, renewal::Renewal};
use crate::kafka::{Access, BrokerId, Error, native};

/// The time within which a new producer has to connect to every leader.
const REACH_LIMIT: Duration = Duration::from_secs(10);

/// The reason of the replacement, as the schedule of attempts keeps it.
pub(super) const RENEWAL: Renewal = Renewal::ProducerWithNewCertificates;

pub(super) type Producer = native::Producer<ClientCallbacks>;

/// The schedule of handovers, and the producer that is prepared.
pub(super) struct Handover {
    access: Access,
    /// The time in which the old producer finishes its records: that of one heartbeat.
    pub(super) finish: Duration,
    pub(super) attempts: Attempts,
    /// The number of producers that were made.
    pub(super) made: u32,
    ready: UnboundedReceiver<Prepared>,
    prepared: UnboundedSender<Prepared>,
}

/// A new producer that has tried to connect to every leader.
pub(super) struct Prepared {
    pub(super) producer: Arc<Producer>,
    /// The number of the producer.
    pub(super) number: u32,
    /// The partitions to whose leaders it is connected.
    pub(super) reached: Result<Vec<i32>, Error>,
}

/// The next step of a handover.
pub(super) enum Step {
    /// The certificates are renewed.
    Plan,
    /// An attempt is due.
    Prepare,
    /// The producer of an attempt is ready, or has failed.
    Finish(Prepared),
}

impl Handover {
    /// `finish` is the time in which a record of the old producer is acknowledged or has failed.
    pub(super) fn new(access: Access, finish: Duration) -> Self {
        let (prepared, ready) = unbounded_channel();
        Self { access, finish, attempts: Attempts::default(), made: 0, ready, prepared }
    }

    /// Lets a new producer connect to every leader on a thread of its own.
    pub(super) fn prepare(
        &self,
        producer: Producer,
        topic: String,
        leaders: BTreeMap<i32, Option<BrokerId>>,
    ) {
        let (number, prepared, producer) = (self.made, self.prepared.clone(), Arc::new(producer));
        native::run_aside(move || {
            let reached = reach(&producer, &topic, &leaders);
            // An error here means that the follower has ended.
            _ = prepared.send(Prepared { producer, number, reached });
        });
    }

    /// Waits for the next step. May be dropped at any await.
    pub(super) async fn next(&mut self) -> Step {
        let due = self.attempts.due();
        tokio::select! {
            () = self.access.certificates_changed() => Step::Plan,
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => Step::Prepare,
            // The sender lives as long as the receiver.
            Some(prepared) = self.ready.recv() => Step::Finish(prepared),
        }
    }
}

/// Connects a producer to the leader of every partition. Returns the partitions whose leaders it reached.
///
/// # Errors
/// Why the topic or a leader could not be asked.
fn reach(
    producer: &Producer,
    topic: &str,
    leaders: &BTreeMap<i32, Option<BrokerId>>,
) -> Result<Vec<i32>, Error> {
    let until = Instant::now() + REACH_LIMIT;
    let left = || until.saturating_duration_since(Instant::now());
    let known = producer.learn(topic, left())?;
    let led = leaders.iter().filter_map(|(partition, leader)| Some((*partition, (*leader)?)));
    let led: Vec<_> = led.filter(|(partition, _)| known.contains(partition)).collect();
    let mut asked = BTreeSet::new();
    for (partition, leader) in &led {
        if asked.insert(*leader) {
            producer.connect(topic, *partition, left())?;
        }
    }
    Ok(led.into_iter().map(|(partition, _)| partition).collect())
}
