//! Twice the partitions and groups: twice the time? And how much memory the histories of log ends take.
//!
//! Scripted brokers in this process answer for 10,000, 20,000 and 40,000 partitions, with a group of ten commits
//! for every ten of them; making the answers up is in the time, and grows as they do.
//!
//! `cargo bench --bench linear -- [ROUNDS]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use fake::{Fake, Reply, metadata as described};
use kafka_heartbeat::{
    cluster::metadata,
    collect::history::History,
    config::{self, Sources},
    kafka::wire::{Client, Cluster},
    monitor::Probe,
    task::{Cycle, Latest},
};
use kafka_protocol::{
    messages::{
        BrokerId, GroupId, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest, ListOffsetsResponse,
        MetadataRequest, OffsetFetchRequest, OffsetFetchResponse, TopicName,
        list_groups_response::ListedGroup,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
        metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};
use measure::{median, number, processor_seconds, resident_mb};
use tokio::sync::watch;

#[path = "../tests/support/fake.rs"]
#[expect(dead_code, reason = "made for tests")]
mod fake;
#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;
#[expect(dead_code, reason = "a fake keeps the listener of its port")]
#[path = "../tests/support/port.rs"]
mod port;

/// Partitions of a topic, and commits of a group.
const EACH: usize = 10;

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let rounds = number(&arguments, 0, 10);
    histories();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut before: Option<(f64, f64)> = None;
    for partitions in [10_000, 20_000, 40_000] {
        let (took, used) = runtime.block_on(looks(partitions, rounds));
        print!(
            "{partitions} partitions, {} groups: {took:.0} ms, {used:.0} ms of processor time",
            partitions / EACH
        );
        match before.replace((took, used)) {
            Some((least, spent)) => println!("; {:.2} and {:.2} times the half", took / least, used / spent),
            None => println!(),
        }
    }
}

/// 15,000 partitions with 300 samples each.
fn histories() {
    const PARTITIONS: usize = 15_000;
    const SAMPLES: u64 = 300;
    let before = resident_mb(process::id());
    let mut histories = vec![History::default(); PARTITIONS];
    // As it is: sample after sample, for all partitions at once.
    for sample in 0..SAMPLES {
        for history in &mut histories {
            history.add(Duration::from_secs(30 * sample), sample as i64 * 7);
        }
    }
    let samples: usize = histories.iter().map(History::len).sum();
    println!("{samples} samples of {PARTITIONS} partitions: {:.1} MB", resident_mb(process::id()) - before);
}

/// Medians of a warm look: milliseconds, and of processor time.
async fn looks(partitions: usize, rounds: u64) -> (f64, f64) {
    let fakes = brokers(partitions).await;
    let sources = Sources { bootstrap: Some(fakes[0].address.to_string()), ..Sources::default() };
    let cluster = Arc::new(config::load(&sources).expect("a configuration").clusters.remove(0));
    let settings = Arc::new(Client::from_properties(&cluster.name, &cluster.kafka).expect("good settings"));
    let wire = Arc::new(Cluster::new(settings, Duration::from_secs(30)));
    let known = metadata::Probe::new(cluster.clone(), wire.clone()).cycle().await.expect("metadata");
    let mut latest = Latest::new(Duration::from_secs(3600));
    latest.snapshot = Some((Arc::new(known), tokio::time::Instant::now()));
    let mut probe = Probe::new(cluster, wire, watch::channel(latest).1);
    let first = probe.cycle().await.expect("a look");
    assert_eq!((first.groups.len(), first.topics.len()), (partitions / EACH, partitions / EACH));
    let (mut took, mut used) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (begun, spent) = (Instant::now(), processor_seconds(process::id()));
        drop(probe.cycle().await.expect("a look"));
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        used.push((processor_seconds(process::id()) - spent) * 1e3);
    }
    (median(&took), used.iter().sum::<f64>() / used.len() as f64)
}

fn text(text: String) -> StrBytes {
    StrBytes::from_string(text)
}

/// Three brokers that lead and coordinate a third each.
async fn brokers(partitions: usize) -> [Fake; 3] {
    let fakes = [Fake::start().await, Fake::start().await, Fake::start().await];
    let mut answer = described(&[&fakes[0], &fakes[1], &fakes[2]], "", &[]);
    let topic = |number: usize| {
        let partition = |index: i32| {
            let leader = BrokerId(1 + index % 3);
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(leader)
                .with_replica_nodes(vec![leader])
                .with_isr_nodes(vec![leader])
        };
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(text(format!("topic-{number}")))))
            .with_partitions((0..EACH as i32).map(partition).collect())
    };
    answer.topics = (0..partitions / EACH).map(topic).collect();
    for (index, fake) in fakes.iter().enumerate() {
        let answer = answer.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request)));
        fake.on(move |_: ListGroupsRequest, _| {
            let group = |number: usize| {
                ListedGroup::default()
                    .with_group_id(GroupId(text(format!("group-{number}"))))
                    .with_protocol_type(StrBytes::from_static_str("consumer"))
                    .with_group_state(StrBytes::from_static_str("Stable"))
            };
            let groups = (index..partitions / EACH).step_by(3).map(group);
            Reply::Answer(ListGroupsResponse::default().with_groups(groups.collect()))
        });
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request)));
    }
    fakes
}

fn ends(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let offset = if partition.timestamp == -2 { 10 } else { 110 };
            ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_offset(offset)
                .with_timestamp(1_700_000_000_000)
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Each group has read its topic to the end.
fn commits(request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let groups = request.groups.iter().map(|group| {
        let partition = |index| {
            OffsetFetchResponsePartitions::default().with_partition_index(index).with_committed_offset(110)
        };
        let name = group.group_id.0.replace("group", "topic");
        let topic = OffsetFetchResponseTopics::default()
            .with_name(TopicName(text(name)))
            .with_partitions((0..EACH as i32).map(partition).collect());
        OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone()).with_topics(vec![topic])
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}
