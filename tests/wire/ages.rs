//! The age of records, by the headers of their batches or by timestamp search: the requests and their number.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use kafka_heartbeat::{
    collect::{
        freshness::State,
        time_lag::{Method, TimeLag},
    },
    kafka::Capability,
    monitor::Snapshot,
    task::Cycle,
};
use kafka_protocol::messages::{
    self, DescribeConfigsRequest, DescribeConfigsResponse, FetchRequest, ListOffsetsRequest,
    ListOffsetsResponse, OffsetFetchRequest, OffsetFetchResponse,
    describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
    list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    },
};

use super::collect::{WRITTEN, batch, brokers, coordinates, probe, records, text};
use crate::fake::{Fake, Reply};

/// The number of fetches by topic, partition and offset.
type Fetched = Arc<Mutex<BTreeMap<(String, i32, i64), usize>>>;

/// Counts the fetches of each offset, and responds with the records of `log`.
fn note(fakes: &[Fake; 3], log: impl Fn(i64) -> Vec<u8> + Clone + Send + Sync + 'static) -> Fetched {
    let fetched = Fetched::default();
    for fake in fakes {
        let (fetched, log) = (fetched.clone(), log.clone());
        fake.on(move |request: FetchRequest, _| {
            for topic in &request.topics {
                for partition in &topic.partitions {
                    assert!(partition.partition_max_bytes <= 4096 && request.isolation_level == 0);
                    let place = (topic.topic.to_string(), partition.partition, partition.fetch_offset);
                    *fetched.lock().unwrap().entry(place).or_default() += 1;
                }
            }
            let asked: usize = request.topics.iter().map(|topic| topic.partitions.len()).sum();
            assert!(asked <= 64 && request.max_bytes <= 64 * 4096, "{asked} partitions");
            Reply::Answer(records(&request, &log))
        });
    }
    fetched
}

/// The committed offsets of each group: `at` gives the offset of each partition, the same for all topics.
fn commits(request: &OffsetFetchRequest, topics: usize, at: impl Fn(i32) -> i64) -> OffsetFetchResponse {
    let groups = request.groups.iter().map(|group| {
        let partition = |index| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(index)
                .with_committed_offset(at(index))
        };
        let topic = |number| {
            OffsetFetchResponseTopics::default()
                .with_name(messages::TopicName(text(format!("topic-{number}"))))
                .with_partitions((0..10).map(partition).collect())
        };
        OffsetFetchResponseGroup::default()
            .with_group_id(group.group_id.clone())
            .with_topics((0..topics).map(topic).collect())
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

fn ages(snapshot: &Snapshot) -> Vec<Option<TimeLag>> {
    let lags = snapshot.groups.values().flat_map(|group| group.topics.values()).flat_map(BTreeMap::values);
    lags.map(|lag| lag.time).collect()
}

#[tokio::test]
async fn time_lag_of_a_thousand_partitions_is_known_after_one_cycle_and_each_offset_is_read_once() {
    let fakes = brokers(100, 10).await;
    let fetched = note(&fakes, |offset| batch(offset..=offset + 3, WRITTEN..=WRITTEN + 5000));
    for (index, fake) in fakes.iter().enumerate() {
        coordinates(fake, index, 1);
        fake.on(|request: OffsetFetchRequest, _| {
            Reply::Answer(commits(&request, 100, |number| 20 + i64::from(number)))
        });
    }
    let mut probe = probe(&fakes, &[]).await;
    for _ in 0..3 {
        let snapshot = probe.cycle().await.unwrap();
        let ages = ages(&snapshot);
        assert_eq!(ages.len(), 3000, "three groups");
        for age in ages {
            let age = age.expect("an age");
            assert_eq!((age.method, age.error.map(|error| error.as_millis())), (Method::Record, Some(0)));
        }
    }
    let fetched = fetched.lock().unwrap();
    assert_eq!(
        (fetched.len(), fetched.values().max()),
        (1000, Some(&1)),
        "one fetch of each offset for all groups and cycles"
    );
}

#[tokio::test]
async fn record_batches_too_long_for_one_response_are_fetched_one_in_each_cycle() {
    let fakes = brokers(1, 10).await;
    for fake in &fakes {
        fake.on(|request: FetchRequest, _| {
            let alone = request.topics.len() == 1 && request.topics[0].partitions.len() == 1;
            let log = |offset| if alone { batch(offset..=offset, WRITTEN..=WRITTEN) } else { Vec::new() };
            Reply::Answer(records(&request, log))
        });
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 1, |_| 20)));
    }
    coordinates(&fakes[0], 0, 1);
    let mut probe = probe(&fakes, &[]).await;
    // Ten partitions with three leaders take four cycles, and each partition is read once.
    let mut dated = Vec::new();
    for _ in 0..5 {
        let ages = ages(&probe.cycle().await.unwrap());
        dated.push(ages.iter().flatten().filter(|age| age.method == Method::Record).count());
    }
    assert_eq!(dated, [3, 6, 9, 10, 10]);
}

/// The response of a broker whose logs have had one record a second since [`WRITTEN`].
fn searched(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let (offset, timestamp) = match partition.timestamp {
                -1 => (110, -1),
                -2 => (10, -1),
                time => match ((time - WRITTEN).max(0) + 999) / 1000 + 10 {
                    offset if offset < 110 => (offset, WRITTEN + (offset - 10) * 1000),
                    _ => (-1, -1),
                },
            };
            ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_offset(offset)
                .with_timestamp(timestamp)
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

#[tokio::test]
async fn topic_that_may_not_be_read_is_searched_by_timestamp_and_not_fetched_again() {
    let fakes = brokers(2, 10).await;
    for fake in &fakes {
        fake.on(|request: FetchRequest, _| {
            let mut answer = records(&request, |offset| batch(offset..=offset, WRITTEN..=WRITTEN));
            for topic in answer.responses.iter_mut().filter(|topic| topic.topic.as_str() == "topic-0") {
                topic.partitions.iter_mut().for_each(|partition| partition.error_code = 29);
            }
            Reply::Answer(answer)
        });
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(searched(&request)));
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 2, |_| 60)));
    }
    coordinates(&fakes[0], 0, 1);
    let mut probe = probe(&fakes, &[]).await;
    let asked = || fakes.iter().map(Fake::count::<FetchRequest>).sum::<usize>();
    let mut before = 0;
    for cycle in 0..2 {
        let snapshot = probe.cycle().await.unwrap();
        let group = &snapshot.groups["group-0"];
        let method = |topic: &str| group.topics[topic][&7].time.map(|age| age.method);
        assert_eq!((method("topic-0"), method("topic-1")), (Some(Method::Search), Some(Method::Record)));
        assert_eq!(
            snapshot.faults.len(),
            0,
            "a permission that is not required is no fault: {:?}",
            snapshot.faults
        );
        assert_eq!(snapshot.reading, Capability::Denied, "the missing permission is reported");
        if cycle == 0 {
            before = asked();
        }
    }
    assert_eq!((before, asked()), (3, 3));
}

#[tokio::test]
async fn newest_record_is_found_before_control_batches_and_missing_offsets() {
    let fakes = brokers(1, 3).await;
    for fake in &fakes {
        fake.versions::<ListOffsetsRequest>(0..=6);
    }
    // Partition 0 ends with a record, partition 1 with nine control batches, partition 2 with missing offsets only.
    for (index, fake) in fakes.iter().enumerate() {
        fake.on(move |request: FetchRequest, _| {
            Reply::Answer(records(&request, |offset| match (index, offset) {
                (0, _) => batch(offset..=109, WRITTEN..=WRITTEN + 7),
                (1, ..=100) => batch(offset..=100, WRITTEN..=WRITTEN + 9),
                (1, _) => control_batch(offset),
                _ => Vec::new(),
            }))
        });
    }
    let mut probe = probe(&fakes, &[("lag", "enabled", "false")]).await;
    let snapshot = probe.cycle().await.unwrap();
    let topic = &snapshot.topics["topic-0"];
    let newest = |number: i32| topic.partitions[&number].newest_ms;
    assert_eq!((newest(0), newest(1), newest(2)), (Some(WRITTEN + 7), Some(WRITTEN + 9), None));
    assert_eq!(topic.freshness.unwrap().state, State::Ok);
    let asked = || fakes.each_ref().map(Fake::count::<FetchRequest>);
    assert_eq!(asked(), [1, 3, 3], "one, eight and sixty-four offsets before the log end");
    probe.cycle().await.unwrap();
    assert_eq!(asked(), [1, 3, 3], "no request while the log end offsets are unchanged");
}

fn control_batch(offset: i64) -> Vec<u8> {
    let mut bytes = batch(offset..=offset, WRITTEN..=WRITTEN + 99);
    bytes[22] = 0x30;
    bytes
}

#[tokio::test]
async fn time_lag_of_a_compacted_topic_is_that_of_the_next_record() {
    let fakes = brokers(1, 10).await;
    for fake in &fakes {
        // The record at offset 20 was deleted. The next record is at offset 50 and younger.
        fake.on(|request: FetchRequest, _| {
            Reply::Answer(records(&request, |_| batch(50..=50, WRITTEN + 60_000..=WRITTEN + 60_000)))
        });
        fake.on(|request: DescribeConfigsRequest, _| {
            let of_topic = |name| {
                let config = |name, value: &str| {
                    DescribeConfigsResourceResult::default()
                        .with_name(text(String::from(name)))
                        .with_value(Some(text(value.to_owned())))
                };
                DescribeConfigsResult::default().with_resource_type(2).with_resource_name(name).with_configs(
                    vec![config("cleanup.policy", "delete, compact"), config("min.insync.replicas", "1")],
                )
            };
            let results = request.resources.into_iter().map(|resource| of_topic(resource.resource_name));
            Reply::Answer(DescribeConfigsResponse::default().with_results(results.collect()))
        });
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 1, |_| 20)));
    }
    coordinates(&fakes[0], 0, 1);
    let mut probe = probe(&fakes, &[]).await;
    // The log grows during the cycles, so the samples of the service alone would show an age near zero.
    for cycle in 0..3 {
        for fake in &fakes {
            fake.on(move |request: ListOffsetsRequest, _| {
                let mut answer = searched(&request);
                for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    if partition.offset >= 20 {
                        partition.offset = if cycle == 0 { 20 } else { 110 };
                    }
                }
                Reply::Answer(answer)
            });
        }
        let snapshot = probe.cycle().await.unwrap();
        let age = snapshot.groups["group-0"].topics["topic-0"][&0].time.expect("an age");
        let expected = if cycle == 0 { Method::Current } else { Method::Record };
        assert_eq!(
            (age.method, age.error.map(|error| error.as_secs())),
            (expected, Some(0)),
            "cycle {cycle}"
        );
    }
}
