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

use tokio::{sync::oneshot, time::sleep_until};

use super::{attempts::Attempts, callbacks::ClientCallbacks, renewal::Renewal};
use crate::kafka::{Access, BrokerId, Error, Fault, native};

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
    /// The result of the preparation; `None` while no producer is prepared.
    preparation: Option<oneshot::Receiver<Result<Prepared, Error>>>,
}

/// A new producer that is connected to the leaders.
pub(super) struct Prepared {
    pub(super) producer: Arc<Producer>,
    /// The partitions to whose leaders it is connected.
    pub(super) partitions: Vec<i32>,
}

/// The next step of a handover.
pub(super) enum Step {
    /// The certificates are renewed.
    Plan,
    /// An attempt is due.
    Prepare,
    /// The producer of an attempt is ready, or has failed.
    Finish(Result<Prepared, Error>),
}

impl Handover {
    /// `finish` is the time in which a record of the old producer is acknowledged or has failed.
    pub(super) fn new(access: Access, finish: Duration) -> Self {
        Self { access, finish, attempts: Attempts::default(), preparation: None }
    }

    /// Lets a new producer connect to every leader on a thread of its own. It replaces a producer that is prepared already.
    pub(super) fn prepare(
        &mut self,
        producer: Producer,
        topic: String,
        leaders: BTreeMap<i32, Option<BrokerId>>,
    ) {
        self.cancel();
        let (prepared, preparation) = oneshot::channel();
        self.preparation = Some(preparation);
        native::run_aside(move || {
            let reached = reach(&producer, &topic, &leaders);
            let ready = reached.map(|partitions| Prepared { producer: Arc::new(producer), partitions });
            // An error here means that the producer is not wanted any more, and it is closed here.
            _ = prepared.send(ready);
        });
    }

    /// Drops the producer that is prepared. Returns whether there was one.
    pub(super) fn cancel(&mut self) -> bool {
        let Some(preparation) = self.preparation.take() else { return false };
        // The producer may be ready, and closing it may block.
        native::run_aside(move || drop(preparation));
        true
    }

    /// Waits for the next step. May be dropped at any await.
    pub(super) async fn next(&mut self) -> Step {
        let due = self.attempts.due();
        tokio::select! {
            () = self.access.certificates_changed() => Step::Plan,
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => Step::Prepare,
            prepared = result(&mut self.preparation) => Step::Finish(prepared),
        }
    }
}

/// The result of the preparation, which is over then. Waits for ever while no producer is prepared.
async fn result(
    preparation: &mut Option<oneshot::Receiver<Result<Prepared, Error>>>,
) -> Result<Prepared, Error> {
    let Some(running) = preparation else { return std::future::pending().await };
    let ended = running.await;
    *preparation = None;
    ended.unwrap_or_else(|_| Err(Error::new(Fault::Other, "the thread of the new producer has ended")))
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rdkafka::mocking::MockCluster;
    use tokio::{sync::Notify, time::timeout};

    use super::*;
    use crate::{config, kafka::wire};

    #[tokio::test]
    async fn producer_whose_preparation_was_cancelled_does_not_take_over() {
        let kafka = MockCluster::new(1).expect("an embedded cluster");
        kafka.create_topic("t", 1, 1).expect("a topic");
        let sources = config::Sources { bootstrap: Some(kafka.bootstrap_servers()), ..Default::default() };
        let cluster = config::load(&sources).expect("a configuration").clusters.remove(0);
        let client = wire::Client::from_properties("k", &cluster.kafka).expect("a client");
        let callbacks =
            Arc::new(ClientCallbacks { events: mpsc::channel().0, failed: Arc::new(Notify::new()) });
        let prepare = |handover: &mut Handover| {
            let producer = Producer::new(&cluster, &client.access(), callbacks.clone()).expect("a producer");
            handover.prepare(producer, "t".to_owned(), BTreeMap::from([(0, Some(BrokerId(1)))]));
        };
        let mut handover = Handover::new(client.access(), Duration::ZERO);
        prepare(&mut handover);
        let Step::Finish(Ok(prepared)) = handover.next().await else { panic!("the producer is connected") };
        assert_eq!(prepared.partitions, [0]);
        native::run_aside(move || drop(prepared));
        assert!(!handover.cancel(), "the preparation is over");

        prepare(&mut handover);
        assert!(handover.cancel());
        let step = timeout(Duration::from_secs(1), handover.next()).await;
        assert!(step.is_err(), "no step follows");
    }
}
