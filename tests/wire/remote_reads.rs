//! Reads from remote storage against scripted brokers: what is read, what is no failure, and brokers that refuse or say nothing.

use std::sync::Mutex;

use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::{BrokerId, Capability, Fault},
    probe::remote_reads::{Probe, Snapshot},
    task::{Cycle, Latest},
};
use kafka_protocol::{
    ResponseError,
    messages::{FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest},
};
use tokio::sync::watch;

use super::{
    collect::ends,
    stored::{fetched, stored},
    *,
};
use crate::fake::{Reply, metadata as described};

/// The longest time of one cycle. Each request has a quarter of it, and the reads end after three quarters.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The first record of each log, which is in remote storage alone: the own copy of a broker begins at offset 109.
const FIRST: i64 = 10;

/// Kafka's number for the first offset of a broker's own copy.
const EARLIEST_LOCAL: i64 = -4;

/// Three brokers that lead the partitions of the heartbeat topic, and the task that reads from them.
struct World {
    fakes: [Fake; 3],
    config: Arc<config::Cluster>,
    wire: Arc<Cluster>,
    metadata: watch::Sender<Latest<metadata::Snapshot>>,
    probe: Probe,
}

impl World {
    /// Partitions with these leaders.
    async fn new(leaders: &[i32]) -> Self {
        let fakes = [Fake::start().await, Fake::start().await, Fake::start().await];
        lead(&fakes, leaders);
        for fake in &fakes {
            fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 0)));
            fake.on(|request: FetchRequest, _| Reply::Answer(record(&request)));
        }
        let set = |section, key: &str, value: &str| FlagSetting {
            section,
            key: key.to_owned(),
            value: value.to_owned(),
            flag: "test",
        };
        let timeout = format!("{}ms", TIMEOUT.as_millis());
        let settings = vec![
            set("heartbeat", "topic", "hb"),
            set("remote_reads", "interval", &timeout),
            set("remote_reads", "timeout", &timeout),
        ];
        let sources =
            Sources { bootstrap: Some(fakes[0].address.to_string()), settings, ..Sources::default() };
        let mut config = config::load(&sources).expect("a configuration without an error");
        let config = Arc::new(config.clusters.remove(0));
        let wire = Arc::new(cluster(&[&fakes[0]], AMPLE));
        let (metadata, receiver) = watch::channel(Latest::new(AMPLE));
        let probe = Probe::new(config.clone(), wire.clone(), receiver);
        let world = Self { fakes, config, wire, metadata, probe };
        world.ask_for_metadata().await;
        world
    }

    /// Publishes what the brokers now say of the topic.
    async fn ask_for_metadata(&self) {
        let mut probe = metadata::Probe::new(self.config.clone(), self.wire.clone());
        let snapshot = probe.cycle().await.expect("metadata of the brokers");
        let mut latest = Latest::new(AMPLE);
        latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
        self.metadata.send_replace(latest);
    }

    /// A cycle, which has to end before its timeout.
    async fn try_cycle(&mut self) -> Result<Snapshot, Fault> {
        let cycle = time::timeout(TIMEOUT, self.probe.cycle()).await.expect("a cycle that ends in time");
        cycle.map_err(|error| error.fault())
    }

    async fn cycle(&mut self) -> Snapshot {
        self.try_cycle().await.expect("a cycle without an error")
    }

    /// The number of requests for offsets and for records.
    fn requests(&self) -> (usize, usize) {
        let sum = |count: fn(&Fake) -> usize| self.fakes.iter().map(count).sum();
        (sum(Fake::count::<ListOffsetsRequest>), sum(Fake::count::<FetchRequest>))
    }
}

/// Makes brokers say that the partitions have these leaders.
fn lead(fakes: &[Fake; 3], leaders: &[i32]) {
    let answer = described(&fakes.each_ref(), "hb", leaders);
    for fake in fakes {
        let answer = answer.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
    }
}

/// The record that is in remote storage alone.
fn record(request: &FetchRequest) -> FetchResponse {
    fetched(request, 0, &stored(FIRST, 4, b"x"))
}

/// The offsets of logs whose broker's own copy begins at this offset.
fn local_from(request: &ListOffsetsRequest, local: i64) -> ListOffsetsResponse {
    let mut answer = ends(request, |_| 0);
    let asked = request.topics.iter().flat_map(|topic| &topic.partitions);
    let found = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for (_, found) in asked.zip(found).filter(|(asked, _)| asked.timestamp == EARLIEST_LOCAL) {
        found.offset = local;
    }
    answer
}

/// By broker: the number of partitions with such records, of reads, and of failures in a row.
fn reads(snapshot: &Snapshot) -> Vec<(i32, Option<usize>, u64, u32)> {
    let reads = snapshot.brokers.iter().map(|(broker, reads)| {
        let failing = reads.failing.map_or(0, |failing| failing.times);
        (broker.0, reads.partitions, reads.reads, failing)
    });
    reads.collect()
}

#[tokio::test]
async fn cycle_reads_the_first_record_of_one_partition_of_each_leader_in_turn() {
    let mut world = World::new(&[1, 2, 3, 1, 2, 3]).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    for fake in &world.fakes {
        let seen = seen.clone();
        fake.on(move |request: FetchRequest, _| {
            let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            let places = partitions.map(|partition| (partition.partition, partition.fetch_offset));
            seen.lock().expect("no panic while it is held").extend(places);
            Reply::Answer(record(&request))
        });
    }
    for (cycles, partitions) in [(1, [0, 1, 2]), (2, [3, 4, 5]), (3, [0, 1, 2])] {
        let snapshot = world.cycle().await;
        assert_eq!(snapshot.capability, Capability::Ok);
        assert_eq!(reads(&snapshot), [1, 2, 3].map(|broker| (broker, Some(2), cycles, 0)));
        let counted = |broker| snapshot.brokers[&BrokerId(broker)].durations.count();
        assert_eq!([1, 2, 3].map(counted), [cycles; 3]);
        let mut places = std::mem::take(&mut *seen.lock().expect("no panic while it is held"));
        places.sort_unstable();
        assert_eq!(places, partitions.map(|partition| (partition, FIRST)));
    }
    assert_eq!(world.requests(), (3 * 3 * 2, 3 * 3), "two requests for offsets and one for a record");
}

#[tokio::test]
async fn missing_permission_is_no_failure_and_is_believed_until_the_brokers_change() {
    let denied = ResponseError::TopicAuthorizationFailed.code();
    for denies_offsets in [true, false] {
        let mut world = World::new(&[1, 2, 3]).await;
        assert_eq!(world.cycle().await.brokers.len(), 3);
        for fake in &world.fakes {
            if denies_offsets {
                fake.on(move |request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| denied)));
            } else {
                fake.on(move |request: FetchRequest, _| Reply::Answer(fetched(&request, denied, &[])));
            }
        }
        let snapshot = world.cycle().await;
        assert_eq!((snapshot.capability, snapshot.brokers.len()), (Capability::Denied, 0));
        let before = world.requests();
        let snapshot = world.cycle().await;
        assert_eq!((snapshot.capability, world.requests()), (Capability::Denied, before));
        for fake in &world.fakes {
            fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 0)));
            fake.on(|request: FetchRequest, _| Reply::Answer(record(&request)));
        }
        // The metadata lose a broker: another authorizer may answer now.
        let answer = described(&[&world.fakes[0], &world.fakes[1]], "hb", &[1, 2]);
        world.fakes[0].on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
        world.ask_for_metadata().await;
        let snapshot = world.cycle().await;
        assert_eq!(snapshot.capability, Capability::Ok);
        assert_eq!(reads(&snapshot), [1, 2].map(|broker| (broker, Some(1), 1, 0)), "nothing failed");
    }
}

#[tokio::test]
async fn brokers_that_do_not_know_their_first_local_offset_are_unsupported() {
    let mut world = World::new(&[1, 2, 3]).await;
    for fake in &world.fakes {
        fake.versions::<ListOffsetsRequest>(0..=7);
    }
    let snapshot = world.cycle().await;
    assert_eq!((snapshot.capability, snapshot.brokers.len()), (Capability::Unsupported, 0));
    assert_eq!(world.requests(), (3, 0), "the request for the first offset of each log alone");
    world.cycle().await;
    assert_eq!(world.requests(), (3, 0), "the refusal is believed for a while");
}

#[tokio::test]
async fn one_broker_of_an_older_version_is_left_out_and_the_others_are_read() {
    let mut world = World::new(&[1, 2, 3]).await;
    world.fakes[1].versions::<ListOffsetsRequest>(0..=7);
    let snapshot = world.cycle().await;
    assert_eq!(snapshot.capability, Capability::Ok);
    assert_eq!(reads(&snapshot), [1, 3].map(|broker| (broker, Some(1), 1, 0)));
    assert_eq!(world.fakes[1].count::<FetchRequest>(), 0);
}

#[tokio::test]
async fn topic_without_remote_storage_has_nothing_to_read() {
    let mut world = World::new(&[1, 2, 3]).await;
    for fake in &world.fakes {
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(local_from(&request, FIRST)));
    }
    let snapshot = world.cycle().await;
    assert_eq!((snapshot.capability, snapshot.brokers.len()), (Capability::Ok, 0));
    assert_eq!(world.requests(), (6, 0));
}

#[tokio::test]
async fn topic_that_does_not_exist_is_not_asked_for() {
    let mut world = World::new(&[1, 2, 3]).await;
    lead(&world.fakes, &[]);
    let answer = described(&world.fakes.each_ref(), "", &[]);
    world.fakes[0].on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
    world.ask_for_metadata().await;
    let snapshot = world.cycle().await;
    assert_eq!((snapshot.capability, snapshot.brokers.len()), (Capability::Unknown, 0));
    assert_eq!(world.requests(), (0, 0));
}

#[tokio::test]
async fn broker_whose_remote_records_were_deleted_fails_no_longer() {
    let mut world = World::new(&[1, 2, 3]).await;
    world.fakes[0].on(|request: FetchRequest, _| {
        Reply::Answer(fetched(&request, ResponseError::KafkaStorageError.code(), &[]))
    });
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot)[0], (1, Some(1), 1, 1));
    world.fakes[0].on(|request: ListOffsetsRequest, _| Reply::Answer(local_from(&request, FIRST)));
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot)[0], (1, Some(0), 1, 0));
    assert_eq!(snapshot.brokers[&BrokerId(1)].failures.values().sum::<u64>(), 1, "a total never falls");
}

#[tokio::test]
async fn leader_that_is_lost_during_the_cycle_is_no_failed_read() {
    let mut world = World::new(&[1, 2, 3]).await;
    for (fake, code) in world.fakes.iter().zip([
        ResponseError::NotLeaderOrFollower.code(),
        ResponseError::LeaderNotAvailable.code(),
        // The record was deleted between the two requests.
        ResponseError::OffsetOutOfRange.code(),
    ]) {
        fake.on(move |request: FetchRequest, _| Reply::Answer(fetched(&request, code, &[])));
    }
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot), [1, 2, 3].map(|broker| (broker, Some(1), 0, 0)));
    // Broker 2 leads all of them now.
    lead(&world.fakes, &[2, 2, 2]);
    world.fakes[1].on(|request: FetchRequest, _| Reply::Answer(record(&request)));
    world.ask_for_metadata().await;
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot), [(1, Some(0), 0, 0), (2, Some(3), 1, 0), (3, Some(0), 0, 0)]);
}

#[tokio::test]
async fn leader_that_ends_the_session_during_the_read_has_failed_alone() {
    let mut world = World::new(&[1, 2, 3]).await;
    world.fakes[2].on(|_: FetchRequest, _| Reply::<FetchResponse>::Close);
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot), [(1, Some(1), 1, 0), (2, Some(1), 1, 0), (3, Some(1), 1, 1)]);
    assert_eq!(snapshot.brokers[&BrokerId(3)].failures, BTreeMap::from([(Fault::Disconnected, 1)]));
}

#[tokio::test]
async fn partition_without_a_leader_is_left_out() {
    let mut world = World::new(&[1, 0, 3]).await;
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot), [1, 3].map(|broker| (broker, Some(1), 1, 0)));
}

#[tokio::test]
async fn broker_that_is_silent_about_a_record_fails_alone_and_in_time() {
    let mut world = World::new(&[1, 2, 3]).await;
    world.fakes[1].on(|_: FetchRequest, _| Reply::<FetchResponse>::Silence);
    for cycles in 1..=2_u32 {
        let before = world.fakes[1].accepted();
        let snapshot = world.cycle().await;
        let good = |broker| (broker, Some(1), u64::from(cycles), 0);
        assert_eq!(reads(&snapshot), [good(1), (2, Some(1), u64::from(cycles), cycles), good(3)]);
        let silent = &snapshot.brokers[&BrokerId(2)];
        assert_eq!(silent.failures, BTreeMap::from([(Fault::Timeout, u64::from(cycles))]));
        assert_eq!((silent.last, silent.durations.count()), (None, 0));
        let failing = silent.failing.expect("failures in a row");
        assert_eq!((failing.fault, failing.partition, failing.offset), (Fault::Timeout, 1, FIRST));
        assert_eq!(world.fakes[1].accepted(), before + 1, "a dead connection is not used again");
    }
}

#[tokio::test]
async fn brokers_that_are_silent_about_their_offsets_are_an_error_and_no_failed_read() {
    let mut world = World::new(&[1, 2, 3]).await;
    assert_eq!(reads(&world.cycle().await).len(), 3);
    for fake in &world.fakes {
        fake.on(|_: ListOffsetsRequest, _| Reply::<ListOffsetsResponse>::Silence);
    }
    assert_eq!(world.try_cycle().await.map(|_| ()), Err(Fault::Timeout));
    for fake in &world.fakes {
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 0)));
    }
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot), [1, 2, 3].map(|broker| (broker, Some(1), 2, 0)));
}

#[tokio::test]
async fn broker_that_is_silent_about_its_offsets_holds_up_no_other_one() {
    let mut world = World::new(&[1, 2, 3]).await;
    world.cycle().await;
    world.fakes[0].on(|_: ListOffsetsRequest, _| Reply::<ListOffsetsResponse>::Silence);
    for cycles in 2..=3 {
        let before = world.fakes.each_ref().map(Fake::accepted);
        let snapshot = world.cycle().await;
        assert_eq!(reads(&snapshot), [(1, None, 1, 0), (2, Some(1), cycles, 0), (3, Some(1), cycles, 0)]);
        // The connection on which a request got no answer may be dead, so the next cycle opens another one.
        let opened = usize::from(cycles == 3);
        assert_eq!(world.fakes.each_ref().map(Fake::accepted), [before[0] + opened, before[1], before[2]]);
    }
}

#[tokio::test]
async fn broker_that_answers_without_the_record_is_asked_again_until_the_cycle_ends() {
    let mut world = World::new(&[1, 2, 3]).await;
    // The first broker has got the record from its remote storage at the third request, the second one never.
    world.fakes[0].on(|request: FetchRequest, call| match call.number {
        0 | 1 => Reply::Answer(fetched(&request, 0, &[])),
        _ => Reply::Answer(record(&request)),
    });
    world.fakes[1].on(|request: FetchRequest, _| Reply::Answer(fetched(&request, 0, &[])));
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot), [(1, Some(1), 1, 0), (2, Some(1), 1, 1), (3, Some(1), 1, 0)]);
    assert_eq!(world.fakes[0].count::<FetchRequest>(), 3);
    assert!(
        snapshot.brokers[&BrokerId(1)].last > Some(Duration::from_millis(200)),
        "two pauses are part of it"
    );
    assert!(world.fakes[1].count::<FetchRequest>() > 3, "it was asked until the end");
    let failures = &snapshot.brokers[&BrokerId(2)].failures;
    assert_eq!(failures, &BTreeMap::from([(Fault::Timeout, 1)]));
    world.fakes[1].on(|request: FetchRequest, _| Reply::Answer(record(&request)));
    let snapshot = world.cycle().await;
    assert_eq!(reads(&snapshot)[1], (2, Some(1), 2, 0), "a good read ends the failures in a row");
}
