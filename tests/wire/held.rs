//! Share groups, log directories and transactions against scripted brokers, for responses that a real broker does not give
//! in a test.

use kafka_heartbeat::{
    cluster::{Api, metadata},
    collect::transactions,
    config::{self, FlagSetting, Sources},
    evaluate::judge::Status,
    kafka::{
        BrokerId, Fault,
        admin::{self, ByLeader, OpenTransaction, Topics},
    },
    task::{Cycle, Latest},
};
use kafka_protocol::messages::{
    self, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
    DescribeProducersResponse, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListOffsetsRequest, ListTransactionsRequest,
    ListTransactionsResponse,
    describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
    describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
    describe_share_group_offsets_response::{
        DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
        DescribeShareGroupOffsetsResponseTopic,
    },
    describe_transactions_response::{self, TopicData},
    list_transactions_response,
};
use tokio::sync::watch;

use super::{
    collect::{brokers, ends, lag_of, lists_a_share_group, probe, text},
    *,
};
use crate::fake::Reply;

fn topic(name: &str) -> messages::TopicName {
    messages::TopicName(text(name.to_owned()))
}

#[tokio::test]
async fn share_group_lag_counts_from_its_start_offset() {
    let fakes = brokers(1, 3).await;
    lists_a_share_group(&fakes[1]);
    fakes[1].on(|request: DescribeShareGroupOffsetsRequest, _| {
        assert!(request.groups[0].topics.is_none(), "all that it reads");
        let partition = |number: i32, start: i64, code: i16| {
            DescribeShareGroupOffsetsResponsePartition::default()
                .with_partition_index(number)
                .with_start_offset(start)
                .with_error_code(code)
        };
        let partitions = vec![partition(0, 60, 0), partition(1, -1, 0), partition(2, -1, 6)];
        let topic = DescribeShareGroupOffsetsResponseTopic::default()
            .with_topic_name(topic("topic-0"))
            .with_partitions(partitions);
        let group = DescribeShareGroupOffsetsResponseGroup::default()
            .with_group_id(request.groups[0].group_id.clone())
            .with_topics(vec![topic]);
        Reply::Answer(DescribeShareGroupOffsetsResponse::default().with_groups(vec![group]))
    });
    let mut probe = probe(&fakes, &[]).await;
    let snapshot = probe.cycle().await.unwrap();
    let group = &snapshot.groups["shared"];
    assert_eq!(lag_of(&snapshot, "shared", "topic-0", 0), Some(50));
    assert_eq!(
        (group.topics["topic-0"].len(), group.unread["topic-0"]),
        (1, 1),
        "the group has read no record of one partition"
    );
    assert_eq!(snapshot.judged.groups["shared"].topics["topic-0"].status, Status::Online);
    // A broker that fails changes no status, and the failure is counted for its request.
    fakes[1].on(|_: DescribeShareGroupOffsetsRequest, _| Reply::Silence);
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(snapshot.groups["shared"].fault, Some(Fault::Timeout));
    assert_eq!(snapshot.faults[&(Api::DescribeShareGroupOffsets, Fault::Timeout)], 1);
    assert_eq!(snapshot.judged.groups["shared"].topics["topic-0"].status, Status::Online);
}

#[tokio::test]
async fn log_directory_that_is_offline_has_a_fault_and_a_broker_that_denies_the_request_has_another() {
    let fakes = brokers(1, 3).await;
    fakes[0].on(|request: DescribeLogDirsRequest, _| {
        assert!(request.topics.is_none());
        let replica = |size: i64, moving: bool| {
            DescribeLogDirsPartition::default().with_partition_size(size).with_is_future_key(moving)
        };
        let good = DescribeLogDirsResult::default()
            .with_log_dir(text("/data".to_owned()))
            .with_total_bytes(1000)
            .with_usable_bytes(-1)
            .with_topics(vec![
                DescribeLogDirsTopic::default()
                    .with_name(topic("t"))
                    .with_partitions(vec![replica(7, false), replica(5, true)]),
            ]);
        let broken =
            DescribeLogDirsResult::default().with_log_dir(text("/broken".to_owned())).with_error_code(57);
        Reply::Answer(DescribeLogDirsResponse::default().with_results(vec![good, broken]))
    });
    // A principal without the permission gets an empty response.
    fakes[1].on(|_: DescribeLogDirsRequest, _| Reply::Answer(DescribeLogDirsResponse::default()));
    fakes[2].without::<DescribeLogDirsRequest>();
    let cluster = cluster(&[&fakes[0], &fakes[1], &fakes[2]], AMPLE);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    let mut log_dirs = admin::log_dirs(&cluster, &[1, 2, 3].map(BrokerId)).await;
    let dirs = log_dirs.remove(&BrokerId(1)).unwrap().unwrap();
    assert_eq!((dirs[0].total, dirs[0].usable, dirs[0].moving), (Some(1000), None, 1));
    assert_eq!((dirs[0].topics["t"], dirs[0].fault), (12, None));
    assert!(dirs[1].fault.is_some() && dirs[1].path == "/broken");
    assert_eq!(log_dirs[&BrokerId(2)], Err(Fault::Authorization));
    assert_eq!(log_dirs[&BrokerId(3)], Err(Fault::Unsupported));
}

#[tokio::test]
async fn transactions_that_are_open_are_listed_and_all_are_unknown_if_one_coordinator_fails() {
    let fakes = brokers(1, 3).await;
    for fake in &fakes {
        fake.on(|request: DescribeProducersRequest, _| {
            let number = request.topics[0].partition_indexes[0];
            let producer = |id: i64, first: i64| {
                ProducerState::default()
                    .with_producer_id(messages::ProducerId(id))
                    .with_current_txn_start_offset(first)
                    .with_last_timestamp(77)
            };
            let partition = PartitionResponse::default()
                .with_partition_index(number)
                .with_error_code(if number == 2 { 29 } else { 0 })
                .with_active_producers(vec![producer(1, -1), producer(2, 40)]);
            let topic = TopicResponse::default().with_name(topic("topic-0")).with_partitions(vec![partition]);
            Reply::Answer(DescribeProducersResponse::default().with_topics(vec![topic]))
        });
        fake.on(|_: ListTransactionsRequest, _| Reply::Answer(ListTransactionsResponse::default()));
    }
    fakes[1].on(|request: ListTransactionsRequest, _| {
        assert_eq!(request.producer_id_filters, [messages::ProducerId(2)]);
        let one = list_transactions_response::TransactionState::default()
            .with_transactional_id(messages::TransactionalId(text("tx".to_owned())));
        Reply::Answer(ListTransactionsResponse::default().with_transaction_states(vec![one]))
    });
    let described = |code: i16| {
        move |_: DescribeTransactionsRequest, _: &fake::Call| {
            let one = describe_transactions_response::TransactionState::default()
                .with_transactional_id(messages::TransactionalId(text("tx".to_owned())))
                .with_error_code(code)
                .with_producer_id(messages::ProducerId(2))
                .with_transaction_start_time_ms(5)
                .with_topics(vec![
                    TopicData::default().with_topic(topic("topic-0")).with_partitions(vec![0]),
                ]);
            Reply::Answer(DescribeTransactionsResponse::default().with_transaction_states(vec![one]))
        }
    };
    fakes[1].on(described(0));
    let cluster = cluster(&[&fakes[0], &fakes[1], &fakes[2]], AMPLE);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    let wanted: ByLeader =
        (0..3).map(|n| (BrokerId(n + 1), BTreeMap::from([("topic-0".into(), vec![n])]))).collect();
    let open = admin::open_transactions(&cluster, &wanted).await;
    let writer = OpenTransaction { producer: 2, first: 40 };
    let expected =
        BTreeMap::from([(0, Ok(vec![writer])), (1, Ok(vec![writer])), (2, Err(Fault::Authorization))]);
    assert_eq!(open["topic-0"], expected);
    let brokers = [1, 2, 3].map(BrokerId);
    let listed = admin::transactions(&cluster, &brokers, &[2]).await.unwrap();
    assert_eq!((listed.len(), &*listed[0].id, listed[0].since_ms), (1, "tx", Some(5)));
    assert_eq!(listed[0].partitions["topic-0"], [0]);
    fakes[1].on(described(53));
    assert_eq!(admin::transactions(&cluster, &brokers, &[2]).await, Err(Fault::Authorization));
    fakes[2].on(|_: ListTransactionsRequest, _| {
        Reply::Answer(ListTransactionsResponse::default().with_error_code(14))
    });
    assert!(
        admin::transactions(&cluster, &brokers, &[2]).await.is_err(),
        "the transactions of that coordinator are not known"
    );
}

#[tokio::test]
async fn transactions_cycle_waits_once_for_a_broker_that_hangs() {
    let fakes = brokers(1, 3).await;
    // Partitions of the two healthy brokers have open transactions, so all five requests are sent.
    for fake in &fakes[..2] {
        fake.on(|request: ListOffsetsRequest, _| {
            let mut answer = ends(&request, |_| 0);
            let partitions = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            if request.isolation_level == 1 {
                partitions.for_each(|partition| partition.offset -= 5);
            }
            Reply::Answer(answer)
        });
        fake.on(|request: DescribeProducersRequest, _| {
            let topics = request.topics.into_iter().map(|asked| {
                let partition = |number: &i32| {
                    let producer = ProducerState::default()
                        .with_producer_id(messages::ProducerId(2))
                        .with_current_txn_start_offset(105);
                    PartitionResponse::default()
                        .with_partition_index(*number)
                        .with_active_producers(vec![producer])
                };
                let partitions = asked.partition_indexes.iter().map(partition).collect();
                TopicResponse::default().with_name(asked.name).with_partitions(partitions)
            });
            Reply::Answer(DescribeProducersResponse::default().with_topics(topics.collect()))
        });
        fake.on(|_: ListTransactionsRequest, _| Reply::Answer(ListTransactionsResponse::default()));
    }
    fakes[2].on(|_: ListOffsetsRequest, _| Reply::Silence);
    fakes[2].on(|_: ListTransactionsRequest, _| Reply::Silence);
    let set = |key: &str, value: &str| FlagSetting {
        section: "transactions",
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "test",
    };
    let sources = Sources {
        bootstrap: Some(fakes[0].address.to_string()),
        settings: vec![set("timeout", "8s"), set("min.age", "1ms")],
        ..Sources::default()
    };
    let config = Arc::new(config::load(&sources).unwrap().clusters.remove(0));
    let wire = Arc::new(cluster(&[&fakes[0]], AMPLE));
    let snapshot = metadata::Probe::new(config.clone(), wire.clone()).cycle().await.unwrap();
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    let mut probe = transactions::Probe::new(config.clone(), wire, watch::channel(latest).1);
    for cycle in 1..=2 {
        let snapshot = time::timeout(config.transactions.timeout, probe.cycle()).await;
        let snapshot = snapshot.expect("the cycle waits once, for a quarter of its time limit").unwrap();
        let asked = fakes[2].count::<ListOffsetsRequest>() + fakes[2].count::<ListTransactionsRequest>();
        assert_eq!(asked, cycle, "each cycle sends one request to the silent broker");
        if cycle == 2 {
            let held: Vec<i32> = snapshot.held.keys().map(|held| held.partition).collect();
            assert_eq!(held, [0, 1]);
            assert!(snapshot.held.values().all(|held| held.by.as_ref().is_some_and(|by| by.producer == 2)));
        }
    }
}
