//! The durability audit against a scripted broker: what is lost, what is not, and the number of requests.

use std::{
    sync::Mutex,
    time::{Instant as Moment, SystemTime},
};

use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::{BrokerId, Capability, TopicId, admin},
    latency::Bounds,
    probe::{
        durability::{Inputs, Keep, Loss, Probe, Sample, Snapshot, Unchecked},
        heartbeat::{
            self, HeartbeatId,
            ledger::{Event, Leader, Ledger, Settings, Stored},
            record::{self, Identity, Record},
        },
        topic,
    },
    task::{Cycle, Latest},
};
use kafka_protocol::{
    ResponseError,
    messages::{FetchRequest, ListOffsetsRequest},
};
use tokio::sync::watch;

use super::{
    collect::ends,
    stored::{fetched, stored},
    *,
};
use crate::fake::{Reply, metadata as described};

const IDENTITY: Identity = Identity { instance: 1, epoch: 7 };
const HOUR: Duration = Duration::from_secs(3600);

/// The value of a heartbeat of partition 0.
fn value(sequence: u64) -> Vec<u8> {
    let id = HeartbeatId { partition: 0, sequence };
    let (record, mut bytes) = (Record { identity: IDENTITY, id, intended: 5, sent: 6 }, Vec::new());
    record.encode(80, &mut bytes);
    bytes
}

/// An audit with one broker, and the channels that it reads.
struct World {
    fake: Fake,
    probe: Probe,
    wire: Arc<Cluster>,
    config: Arc<config::Cluster>,
    snapshot: metadata::Snapshot,
    metadata: watch::Sender<Latest<metadata::Snapshot>>,
    topic: watch::Sender<Latest<topic::Snapshot>>,
    heartbeat: watch::Sender<Arc<heartbeat::Snapshot>>,
    ledger: Ledger,
}

/// A ledger whose heartbeats are acknowledged an hour ago.
fn ledger() -> Ledger {
    let settings = Settings {
        identity: IDENTITY,
        deadline: AMPLE,
        horizon: AMPLE,
        tolerance: AMPLE,
        bounds: Bounds::default(),
        traces: None,
    };
    let begin = heartbeat::Moment { instant: Moment::now(), wall: SystemTime::now() - HOUR };
    let mut ledger = Ledger::new(settings, begin);
    let leader = Leader { broker: Some(BrokerId(1)), rack: None };
    ledger.apply(Event::Partitions { leaders: BTreeMap::from([(0, leader)]), at: begin.instant });
    ledger
}

fn published<S>(snapshot: S) -> Latest<S> {
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    latest
}

fn inputs(
    config: &Arc<config::Cluster>,
    wire: &Arc<Cluster>,
    metadata: &watch::Sender<Latest<metadata::Snapshot>>,
    topic: &watch::Sender<Latest<topic::Snapshot>>,
    heartbeat: &watch::Sender<Arc<heartbeat::Snapshot>>,
) -> Inputs {
    let (metadata, topic, heartbeat) = (metadata.subscribe(), topic.subscribe(), heartbeat.subscribe());
    Inputs { cluster: config.clone(), known: wire.clone(), metadata, topic, heartbeat }
}

impl World {
    async fn new() -> Self {
        let fake = Fake::start().await;
        let answer = described(&[&fake], "hb", &[1]);
        fake.on(move |_: kafka_protocol::messages::MetadataRequest, _| Reply::Answer(answer.clone()));
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 0)));
        let flag = |section, key: &str, value: &str| FlagSetting {
            section,
            key: key.to_owned(),
            value: value.to_owned(),
            flag: "test",
        };
        let settings = vec![
            flag("heartbeat", "topic", "hb"),
            flag("durability", "after", "1m"),
            flag("durability", "sample", "1ms"),
        ];
        let sources = Sources { bootstrap: Some(fake.address.to_string()), settings, ..Sources::default() };
        let config = Arc::new(config::load(&sources).expect("a configuration").clusters.remove(0));
        let wire = Arc::new(cluster(&[&fake], AMPLE));
        let mut snapshot = metadata::Probe::new(config.clone(), wire.clone()).cycle().await.expect("a cycle");
        let of_topic = snapshot.heartbeat_topic.as_mut().expect("the topic");
        of_topic.id = Some(TopicId(1));
        of_topic.partitions.get_mut(&0).expect("partition 0").leader_epoch = Some(3);
        let metadata = watch::channel(published(snapshot.clone())).0;
        let topic = watch::channel(published(topic::Snapshot {
            topic: "hb".to_owned(),
            ready: true,
            pending: Vec::new(),
            blocked: Vec::new(),
            uncovered: Vec::new(),
            min_isr: Some(1),
            retention: Some(2 * HOUR),
            only_deletes: Some(true),
            configs: Capability::Ok,
            reassignments: Capability::Ok,
        }))
        .0;
        let ledger = ledger();
        let heartbeat = watch::channel(Arc::new(ledger.snapshot(Moment::now()))).0;
        let inputs = inputs(&config, &wire, &metadata, &topic, &heartbeat);
        let mut probe = Probe::new(inputs);
        // Heartbeats are sampled once metadata of an earlier cycle are known.
        probe.cycle().await.expect("a cycle");
        Self { fake, probe, wire, config, snapshot, metadata, topic, heartbeat, ledger }
    }

    /// Another audit that reads the same channels, as after a restart of the service.
    fn restart(&mut self, keeper: Arc<dyn Keep>) {
        let Self { config, wire, metadata, topic, heartbeat, .. } = self;
        self.probe = Probe::new(inputs(config, wire, metadata, topic, heartbeat)).with(keeper);
    }

    /// Publishes metadata with another topic of the same name.
    fn recreate(&self) {
        let mut snapshot = self.snapshot.clone();
        snapshot.heartbeat_topic.as_mut().expect("the topic").id = Some(TopicId(2));
        self.metadata.send_replace(published(snapshot));
    }

    /// Changes what is known of the settings of the topic.
    fn change_topic(&self, change: impl FnOnce(&mut topic::Snapshot)) {
        self.topic.send_modify(|latest| {
            let (snapshot, _) = latest.snapshot.as_mut().expect("metadata");
            change(Arc::make_mut(snapshot));
        });
    }

    /// A heartbeat that was acknowledged an hour ago.
    fn acknowledge(&mut self, sequence: u64, offset: i64) {
        let (id, at) = (HeartbeatId { partition: 0, sequence }, Moment::now());
        self.ledger.apply(Event::Sent { id, intended: at, at, broker: Some(BrokerId(1)) });
        let checksum = record::checksum(&value(sequence)).expect("a heartbeat");
        let stored = Some(Stored { offset, checksum });
        self.ledger.apply(Event::Acked { id, at: Moment::now(), stored });
        self.heartbeat.send_replace(Arc::new(self.ledger.snapshot(Moment::now())));
    }

    /// The broker has these batches at every offset, or answers with this error.
    fn answer(&self, code: i16, batches: Vec<u8>) {
        self.fake.on(move |request: FetchRequest, _| Reply::Answer(fetched(&request, code, &batches)));
    }

    /// The audit of one heartbeat with sequence 0 at this offset.
    async fn audit(offset: i64, code: i16, batches: Vec<u8>) -> Snapshot {
        let mut world = World::new().await;
        world.acknowledge(0, offset);
        world.answer(code, batches);
        world.cycle_and_confirm().await
    }

    /// A cycle, newer metadata of the same topic, and another cycle, which confirms what is lost.
    async fn cycle_and_confirm(&mut self) -> Snapshot {
        let first = self.probe.cycle().await.expect("a cycle");
        assert_eq!(
            first.lost.total(),
            0,
            "the topic may have been created again since the metadata were read"
        );
        self.metadata.send_replace(published(self.snapshot.clone()));
        self.look_at_topic();
        self.probe.cycle().await.expect("a cycle")
    }

    /// The topic task looks at the same settings again.
    fn look_at_topic(&self) {
        self.topic.send_modify(|latest| latest.snapshot.as_mut().expect("metadata").1 = Instant::now());
    }
}

fn checked(snapshot: &Snapshot) -> u64 {
    snapshot.checked.iter().map(|(_, count)| count).sum()
}

const OUT_OF_RANGE: i16 = ResponseError::OffsetOutOfRange.code();

#[tokio::test]
async fn record_that_is_there_is_read_with_one_request_and_kept_for_the_next_age() {
    let mut world = World::new().await;
    world.acknowledge(0, 50);
    world.answer(0, stored(50, 4, &value(0)));
    let before = world.fake.total();
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!(world.fake.total() - before, 1);
    assert_eq!((checked(&snapshot), snapshot.lost.total(), snapshot.samples), (1, 0, 1));
    assert_eq!(checked(&world.probe.cycle().await.expect("a cycle")), 1);
    assert_eq!(world.fake.total() - before, 1, "the next age is the end of the retention");
}

#[tokio::test]
async fn lost_records_are_told_apart_and_named_with_their_acknowledgement() {
    let table = [
        (50, 0, stored(51, 3, &value(1)), Loss::Missing),
        (50, 0, stored(50, 4, &value(1)), Loss::Truncated),
        (50, 0, stored(50, 3, &value(1)), Loss::Different),
        (200, OUT_OF_RANGE, Vec::new(), Loss::Truncated),
    ];
    for (offset, code, batches, loss) in table {
        let snapshot = World::audit(offset, code, batches).await;
        let lost: Vec<_> = snapshot.lost.since(0).collect();
        assert_eq!((lost.len(), lost[0].loss, lost[0].sample.offset), (1, loss, offset), "{lost:?}");
        assert_eq!((checked(&snapshot), snapshot.lost_by[loss as usize], snapshot.samples), (1, 1, 0));
        let words =
            format!("The record at offset {offset} of partition 0 of topic hb is lost ({})", loss.as_str());
        let sentence = lost[0].sentence();
        assert!(sentence.starts_with(&words), "{sentence}");
        assert!(sentence.contains("broker 1 acknowledged it in leader epoch 3 at 20"), "{sentence}");
    }
}

#[tokio::test]
async fn flipped_byte_in_a_batch_is_a_record_that_differs() {
    let mut batch = stored(50, 3, &value(0));
    batch[90] ^= 1;
    let snapshot = World::audit(50, 0, batch).await;
    assert_eq!(snapshot.lost_by[Loss::Different as usize], 1);
}

#[tokio::test]
async fn deleted_records_are_not_lost() {
    let snapshot = World::audit(5, OUT_OF_RANGE, Vec::new()).await;
    assert_eq!((snapshot.lost.total(), snapshot.samples, checked(&snapshot)), (0, 0, 0));
    assert_eq!(snapshot.unchecked[Unchecked::Deleted as usize], 1);
}

#[tokio::test]
async fn records_older_than_the_retention_are_given_up_without_a_request() {
    let mut world = World::new().await;
    world.change_topic(|topic| topic.retention = Some(HOUR / 2));
    world.acknowledge(0, 5);
    let before = world.fake.total();
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!(world.fake.total(), before);
    assert_eq!((snapshot.unchecked[Unchecked::Expired as usize], snapshot.lost.total()), (1, 0));
}

#[tokio::test]
async fn gap_is_not_a_loss_while_the_topic_may_be_compacted() {
    for only_deletes in [Some(false), None] {
        let mut world = World::new().await;
        world.change_topic(|topic| topic.only_deletes = only_deletes);
        world.answer(ResponseError::NotLeaderOrFollower.code(), Vec::new());
        world.acknowledge(0, 50);
        world.probe.cycle().await.unwrap_err();
        // The policy is corrected, but the record may have been removed before.
        world.change_topic(|topic| topic.only_deletes = Some(true));
        world.answer(0, stored(51, 3, &value(1)));
        let snapshot = world.probe.cycle().await.expect("a cycle");
        assert_eq!((snapshot.unchecked[Unchecked::Compacted as usize], snapshot.lost.total()), (1, 0));
    }
}

#[tokio::test]
async fn recreated_topic_loses_nothing_and_is_not_read_for_its_earlier_records() {
    let mut world = World::new().await;
    world.acknowledge(0, 50);
    world.answer(ResponseError::UnknownTopicOrPartition.code(), Vec::new());
    world.probe.cycle().await.unwrap_err();
    world.recreate();
    let before = world.fake.total();
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!(world.fake.total(), before);
    assert_eq!((snapshot.unchecked[Unchecked::Recreated as usize], snapshot.lost.total()), (1, 0));
}

#[tokio::test]
async fn gap_is_open_until_the_settings_of_the_topic_were_looked_at_again() {
    let mut world = World::new().await;
    world.acknowledge(0, 50);
    world.answer(0, stored(51, 3, &value(1)));
    world.probe.cycle().await.expect("a cycle");
    world.metadata.send_replace(published(world.snapshot.clone()));
    assert_eq!(
        world.probe.cycle().await.expect("a cycle").lost.total(),
        0,
        "the topic may be compacted since a moment ago"
    );
    world.look_at_topic();
    assert_eq!(world.probe.cycle().await.expect("a cycle").lost.total(), 1);
}

#[tokio::test]
async fn topic_that_was_recreated_after_the_metadata_were_read_loses_nothing() {
    let mut world = World::new().await;
    world.acknowledge(0, 200);
    world.answer(OUT_OF_RANGE, Vec::new());
    for _ in 0..2 {
        let snapshot = world.probe.cycle().await.expect("a cycle");
        assert_eq!((snapshot.lost.total(), snapshot.overdue), (0, 1));
    }
    world.recreate();
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!((snapshot.unchecked[Unchecked::Recreated as usize], snapshot.lost.total()), (1, 0));
}

#[tokio::test]
async fn read_that_fails_says_nothing_and_is_repeated() {
    let mut world = World::new().await;
    world.acknowledge(0, 50);
    for error in [ResponseError::NotLeaderOrFollower, ResponseError::FencedLeaderEpoch] {
        world.answer(error.code(), Vec::new());
        world.probe.cycle().await.unwrap_err();
    }
    // The leader does not serve the record yet, because it is not committed.
    world.answer(0, Vec::new());
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!((checked(&snapshot), snapshot.lost.total(), snapshot.overdue), (0, 0, 1));
    world.answer(0, stored(50, 3, &value(0)));
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!((checked(&snapshot), snapshot.lost.total(), snapshot.overdue), (1, 0, 0));
}

#[tokio::test]
async fn offset_out_of_range_without_both_ends_of_the_log_says_nothing() {
    let mut world = World::new().await;
    world.acknowledge(0, 200);
    world.answer(OUT_OF_RANGE, Vec::new());
    world.fake.on(|request: ListOffsetsRequest, _| {
        Reply::Answer(ends(&request, |_| ResponseError::NotLeaderOrFollower.code()))
    });
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!((checked(&snapshot), snapshot.lost.total(), snapshot.overdue), (0, 0, 1));
}

#[tokio::test]
async fn partition_without_a_leader_stays_due() {
    let mut world = World::new().await;
    world.acknowledge(0, 50);
    let mut snapshot = world.snapshot.clone();
    snapshot.heartbeat_topic.as_mut().expect("the topic").partitions.insert(
        0,
        admin::Partition { leader: None, leader_epoch: Some(4), replicas: Vec::new(), isr: Vec::new() },
    );
    world.metadata.send_replace(published(snapshot));
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!((checked(&snapshot), snapshot.lost.total(), snapshot.overdue, snapshot.samples), (0, 0, 1, 1));
}

/// Keeps samples in memory.
#[derive(Default)]
struct Kept(Mutex<Vec<Sample>>);

impl Keep for Kept {
    fn load(&self, _: &str) -> Result<Vec<Sample>, String> {
        Ok(self.0.lock().expect("no thread panicked").clone())
    }

    fn save(&self, _: &str, samples: &[Sample]) -> Result<(), String> {
        *self.0.lock().expect("no thread panicked") = samples.to_vec();
        Ok(())
    }
}

#[tokio::test]
async fn sample_survives_a_restart_and_is_checked_once_at_each_age() {
    let (mut world, kept) = (World::new().await, Arc::new(Kept::default()));
    world.restart(kept.clone());
    world.probe.cycle().await.expect("a cycle");
    world.acknowledge(0, 50);
    world.answer(0, stored(50, 4, &value(0)));
    world.probe.cycle().await.expect("a cycle");
    world.probe.end().await;
    let samples = kept.load("hb").expect("samples");
    assert_eq!(
        (samples.len(), samples[0].leader_epoch, samples[0].checked),
        (1, Some(4), Duration::from_secs(60))
    );
    world.restart(kept.clone());
    let snapshot = world.probe.cycle().await.expect("a cycle");
    assert_eq!((checked(&snapshot), snapshot.samples), (0, 1));
    world.probe.end().await;
    // As if the age had not been reached before the restart.
    kept.0.lock().expect("no thread panicked")[0].checked = Duration::ZERO;
    world.answer(OUT_OF_RANGE, Vec::new());
    world.fake.on(|request: ListOffsetsRequest, _| {
        let mut answer = ends(&request, |_| 0);
        let partitions = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.for_each(|partition| partition.offset = partition.offset.min(40));
        Reply::Answer(answer)
    });
    world.restart(kept.clone());
    let snapshot = world.cycle_and_confirm().await;
    assert_eq!((snapshot.lost_by[Loss::Truncated as usize], snapshot.samples), (1, 0));
    world.probe.end().await;
    assert_eq!(kept.load("hb").expect("samples"), []);
}
