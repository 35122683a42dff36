//! Reads from every replica against scripted brokers: the number of requests, damaged records, and brokers that serve no consumer.

use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::{BrokerId, Capability, Fault},
    probe::replicas::{Damage, Probe, Snapshot},
    task::{Cycle, Latest},
};
use kafka_protocol::{
    ResponseError,
    messages::{self, FetchRequest, FetchResponse, ListOffsetsRequest, MetadataRequest},
};
use tokio::sync::watch;

use super::{
    collect::{batch, ends, records},
    *,
};
use crate::fake::{Reply, metadata as described};

/// The bytes of a batch before those that its checksum covers.
const UNCHECKED: usize = 21;

/// An intact batch of one record at this offset.
fn intact(offset: i64) -> Vec<u8> {
    let mut bytes = batch(offset..=offset, 5..=5);
    let checksum = crc32c::crc32c(&bytes[UNCHECKED..]);
    bytes[UNCHECKED - 4..UNCHECKED].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Three brokers, each of which leads one partition of the heartbeat topic and follows on the others.
async fn brokers() -> [Fake; 3] {
    let fakes = [Fake::start().await, Fake::start().await, Fake::start().await];
    let mut answer = described(&fakes.each_ref(), "hb", &[1, 2, 3]);
    for partition in &mut answer.topics[0].partitions {
        partition.replica_nodes = [1, 2, 3].map(messages::BrokerId).to_vec();
        partition.isr_nodes = partition.replica_nodes.clone();
    }
    for fake in &fakes {
        let answer = answer.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 0)));
        fake.on(|request: FetchRequest, _| Reply::Answer(records(&request, intact)));
    }
    fakes
}

async fn probe(fakes: &[Fake; 3]) -> Probe {
    let topic =
        FlagSetting { section: "heartbeat", key: "topic".to_owned(), value: "hb".to_owned(), flag: "test" };
    let sources = Sources {
        bootstrap: Some(fakes[0].address.to_string()),
        settings: vec![topic],
        ..Sources::default()
    };
    let config = Arc::new(config::load(&sources).expect("a configuration").clusters.remove(0));
    let wire = Arc::new(cluster(&[&fakes[0]], AMPLE));
    let snapshot = metadata::Probe::new(config.clone(), wire.clone()).cycle().await.expect("a cycle");
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    Probe::new(config, wire, watch::channel(latest).1)
}

/// The number of requests of a cycle, with those that open sessions in the first one.
fn requests(fakes: &[Fake; 3]) -> usize {
    fakes.iter().map(Fake::total).sum()
}

fn damaged(snapshot: &Snapshot) -> Vec<(i32, Damage)> {
    let damaged = snapshot
        .brokers
        .iter()
        .flat_map(|(broker, replica)| replica.damaged.iter().map(move |damage| (broker.0, *damage)));
    damaged.collect()
}

#[tokio::test]
async fn cycle_sends_four_requests_to_each_broker_and_reads_every_replica() {
    let fakes = brokers().await;
    let mut probe = probe(&fakes).await;
    probe.cycle().await.expect("a cycle");
    let before = requests(&fakes);
    let snapshot = probe.cycle().await.expect("a cycle");
    assert_eq!(requests(&fakes) - before, 12);
    assert_eq!(snapshot.capability, Capability::Ok);
    for broker in [1, 2, 3].map(BrokerId) {
        let replica = &snapshot.brokers[&broker];
        assert_eq!((replica.reads, replica.visible.count()), (6, 6), "three partitions in two cycles");
        assert!(replica.failures.is_empty() && replica.late.is_empty(), "{replica:?}");
    }
    assert_eq!(damaged(&snapshot), []);
}

#[tokio::test]
async fn damaged_record_is_found_where_the_log_is_read_and_only_at_its_broker() {
    let fakes = brokers().await;
    fakes[2].on(|request: FetchRequest, _| {
        let log = |offset: i64| {
            let mut bytes = intact(offset);
            if offset == 10 {
                *bytes.last_mut().expect("bytes") ^= 1;
            }
            bytes
        };
        Reply::Answer(records(&request, log))
    });
    let mut probe = probe(&fakes).await;
    let snapshot = probe.cycle().await.expect("a cycle");
    // The log of each partition begins at offset 10.
    let expected = [0, 1, 2].map(|partition| (3, Damage { partition, offset: 10 }));
    assert_eq!(damaged(&snapshot), expected);
    let again = probe.cycle().await.expect("a cycle");
    assert_eq!(again.brokers[&BrokerId(3)].damaged_total, 3, "each is counted once");
}

#[tokio::test]
async fn followers_that_serve_no_consumer_are_a_missing_capability_and_no_failure() {
    let fakes = brokers().await;
    for (broker, fake) in (1..).zip(&fakes) {
        fake.on(move |request: FetchRequest, _| {
            let mut answer: FetchResponse = records(&request, intact);
            let partitions = answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions.filter(|partition| partition.partition_index != broker - 1) {
                partition.error_code = ResponseError::NotLeaderOrFollower.code();
            }
            Reply::Answer(answer)
        });
    }
    let mut probe = probe(&fakes).await;
    let snapshot = probe.cycle().await.expect("a cycle");
    assert_eq!((snapshot.capability, snapshot.brokers.len()), (Capability::Unsupported, 0));
    let before = requests(&fakes);
    probe.cycle().await.expect("a cycle");
    assert_eq!(requests(&fakes), before, "the refusal is believed for a while");
}

#[tokio::test]
async fn silent_broker_fails_alone_and_is_not_late() {
    let fakes = brokers().await;
    fakes[1].on(|_: FetchRequest, _| Reply::<FetchResponse>::Silence);
    let mut probe = probe(&fakes).await;
    for _ in 0..2 {
        probe.cycle().await.expect("a cycle");
    }
    let snapshot = probe.cycle().await.expect("a cycle");
    let silent = &snapshot.brokers[&BrokerId(2)];
    assert_eq!(silent.failures, BTreeMap::from([(Fault::Timeout, 9)]));
    assert!(silent.late.is_empty(), "it did not answer at all");
    assert!([1, 3].iter().all(|broker| snapshot.brokers[&BrokerId(*broker)].failures.is_empty()));
}
