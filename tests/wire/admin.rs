//! The requests of `kafka::admin`: their content, their broker, their number, and the faults of error codes.

use kafka_heartbeat::kafka::{
    BrokerId, Fault,
    admin::{self, Topics},
};
use kafka_protocol::{
    messages::{
        self, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
        DescribeConfigsRequest, DescribeConfigsResponse, DescribeQuorumRequest, DescribeQuorumResponse,
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ElectLeadersRequest,
        ElectLeadersResponse, FindCoordinatorRequest, FindCoordinatorResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListPartitionReassignmentsRequest,
        ListPartitionReassignmentsResponse, MetadataRequest,
        alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
        create_partitions_response::CreatePartitionsTopicResult,
        create_topics_response::CreatableTopicResult,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        describe_quorum_response::{PartitionData, TopicData},
        describe_topic_partitions_response::{
            self, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
        elect_leaders_response::{PartitionResult, ReplicaElectionResult},
        incremental_alter_configs_response::AlterConfigsResourceResponse,
        list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment},
    },
    protocol::StrBytes,
};

use super::*;
use crate::fake::{Reply, metadata};

/// One broker, and a cluster that knows it.
async fn pair() -> (Fake, Cluster) {
    let fake = Fake::start().await;
    let cluster = cluster(&[&fake], AMPLE);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    (fake, cluster)
}

fn created(code: i16) -> CreateTopicsResponse {
    let words = Some(StrBytes::from_static_str("because"));
    let topic = CreatableTopicResult::default().with_error_code(code).with_error_message(words);
    CreateTopicsResponse::default().with_topics(vec![topic])
}

#[tokio::test]
async fn metadata_request_never_creates_a_topic_and_names_the_fault_of_each_topic() {
    let fake = Fake::start().await;
    let mut answer = metadata(&[&fake], "hb", &[1, 0]);
    answer.topics[0].topic_id = "00000000-0000-0000-0000-000000000007".parse().unwrap();
    let mut missing = metadata(&[], "missing", &[]).topics.remove(0);
    missing.error_code = 3;
    let mut denied = metadata(&[], "secret", &[]).topics.remove(0);
    denied.error_code = 29;
    answer.topics.extend([missing, denied]);
    fake.on(move |request: MetadataRequest, _| {
        assert!(!request.allow_auto_topic_creation);
        assert_eq!(request.topics.map(|topics| topics.len()), Some(3));
        Reply::Answer(answer.clone())
    });
    let cluster = cluster(&[&fake], AMPLE);
    let metadata = admin::metadata(&cluster, Topics::Named(&["hb", "missing", "secret"])).await.unwrap();
    assert_eq!(metadata.controller, Some(BrokerId(1)));
    assert_eq!(metadata.brokers[&BrokerId(1)].port, fake.address.port());
    let topic = metadata.topics["hb"].as_ref().unwrap();
    assert_eq!(topic.id.map(|id| id.0), Some(7));
    assert_eq!(topic.partitions[&0].leader, Some(BrokerId(1)));
    assert_eq!(topic.partitions[&1].leader, None, "-1 is not a broker");
    assert_eq!(*metadata.topics["missing"].as_ref().unwrap_err(), Fault::UnknownTopic);
    assert_eq!(*metadata.topics["secret"].as_ref().unwrap_err(), Fault::Authorization);
    assert_eq!(fake.count::<MetadataRequest>(), 1);
}

#[tokio::test]
async fn topic_that_exists_counts_as_created_and_refusals_keep_their_fault() {
    let (fake, cluster) = pair().await;
    for (code, expected) in [
        (0, None),
        (36, None),
        (29, Some(Fault::Authorization)),
        (31, Some(Fault::Authorization)),
        (44, Some(Fault::Policy)),
        (7, Some(Fault::Timeout)),
    ] {
        fake.on(move |request: CreateTopicsRequest, _| {
            let topic = &request.topics[0];
            assert_eq!((topic.num_partitions, topic.replication_factor), (3, -1));
            assert_eq!(topic.configs[0].value.as_deref(), Some("delete"));
            Reply::Answer(created(code))
        });
        let before = fake.count::<CreateTopicsRequest>();
        let configs = BTreeMap::from([("cleanup.policy", "delete".to_owned())]);
        let result = admin::create_topic(&cluster, "hb", 3, -1, &configs).await;
        assert_eq!(result.as_ref().err().map(Error::fault), expected, "{code}");
        if let Err(error) = result {
            assert!(words(&error).contains("because"), "{}", words(&error));
        }
        assert_eq!(fake.count::<CreateTopicsRequest>(), before + 1, "one request");
    }
}

#[tokio::test]
async fn controller_that_moved_is_found_again_once() {
    let [old, new] = [Fake::start().await, Fake::start().await];
    let both = metadata(&[&old, &new], "", &[]);
    for fake in [&old, &new] {
        let both = both.clone();
        // First broker 1 is the controller, then broker 2.
        fake.on(move |_: MetadataRequest, call| {
            Reply::Answer(both.clone().with_controller_id(messages::BrokerId(if call.number == 0 {
                1
            } else {
                2
            })))
        });
    }
    old.on(|_: CreateTopicsRequest, _| Reply::Answer(created(41)));
    new.on(|_: CreateTopicsRequest, _| Reply::Answer(created(0)));
    let cluster = cluster(&[&old], AMPLE);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    admin::create_topic(&cluster, "hb", 1, 1, &BTreeMap::new()).await.unwrap();
    assert_eq!((old.count::<CreateTopicsRequest>(), new.count::<CreateTopicsRequest>()), (1, 1));

    new.on(|_: CreateTopicsRequest, _| Reply::Answer(created(41)));
    let error = admin::create_topic(&cluster, "hb", 1, 1, &BTreeMap::new()).await.unwrap_err();
    assert_eq!(error.fault(), Fault::NoLeader);
    assert_eq!(new.count::<CreateTopicsRequest>(), 3, "two requests for the second call, no more");
}

#[tokio::test]
async fn partitions_are_added_up_to_a_total() {
    let (fake, cluster) = pair().await;
    fake.on(|request: CreatePartitionsRequest, call| {
        assert_eq!((request.topics[0].count, request.topics[0].assignments.is_none()), (6, true));
        let code = if call.number == 0 { 0 } else { 29 };
        let topic = CreatePartitionsTopicResult::default().with_error_code(code);
        Reply::Answer(CreatePartitionsResponse::default().with_results(vec![topic]))
    });
    admin::create_partitions(&cluster, "hb", 6).await.unwrap();
    let error = admin::create_partitions(&cluster, "hb", 6).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authorization);
}

#[tokio::test]
async fn quorum_has_a_leader_or_a_fault() {
    let (fake, cluster) = pair().await;
    let quorum = |leader: i32, code: i16| {
        let leader = messages::BrokerId(leader);
        let partition =
            PartitionData::default().with_leader_id(leader).with_leader_epoch(12).with_error_code(code);
        let topic = TopicData::default().with_partitions(vec![partition]);
        DescribeQuorumResponse::default().with_topics(vec![topic])
    };
    fake.on(move |_: DescribeQuorumRequest, call| {
        Reply::Answer(match call.number {
            0 => quorum(3, 0),
            1 => quorum(-1, 0),
            2 => quorum(3, 42),
            _ => DescribeQuorumResponse::default().with_error_code(31),
        })
    });
    let (described, _) = admin::describe_quorum(&cluster).await.expect("the quorum");
    assert_eq!((described.leader, described.epoch), (BrokerId(3), 12));
    assert_eq!(admin::describe_quorum(&cluster).await.unwrap_err().fault(), Fault::NoLeader);
    assert!(admin::describe_quorum(&cluster).await.is_err());
    assert_eq!(admin::describe_quorum(&cluster).await.unwrap_err().fault(), Fault::Authorization);
    let (fake, cluster) = pair().await;
    drop(cluster);
    fake.without::<DescribeQuorumRequest>();
    let cluster = super::cluster(&[&fake], AMPLE);
    let error = admin::describe_quorum(&cluster).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unsupported);
    assert!(words(&error).contains("DescribeQuorum"), "{}", words(&error));
    assert_eq!(fake.count::<DescribeQuorumRequest>(), 0);
}

#[tokio::test]
async fn topic_settings_are_read_and_set_one_by_one() {
    let (fake, cluster) = pair().await;
    fake.on(|request: DescribeConfigsRequest, _| {
        assert_eq!((request.resources[0].resource_type, &*request.resources[0].resource_name), (2, "hb"));
        let config = |name: &'static str, value: Option<&'static str>| {
            DescribeConfigsResourceResult::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(value.map(StrBytes::from_static_str))
        };
        let configs = vec![config("retention.ms", Some("60000")), config("hidden", None)];
        let result = DescribeConfigsResult::default().with_configs(configs);
        Reply::Answer(DescribeConfigsResponse::default().with_results(vec![result]))
    });
    let settings = admin::topic_configs(&cluster, "hb", &["retention.ms", "hidden"]).await.unwrap();
    assert_eq!(settings, BTreeMap::from([("retention.ms".to_owned(), "60000".to_owned())]));

    fake.on(|request: IncrementalAlterConfigsRequest, call| {
        let config = &request.resources[0].configs[0];
        assert_eq!((config.config_operation, config.value.as_deref()), (0, Some("60000")));
        let code = if call.number == 0 { 0 } else { 29 };
        let topic = AlterConfigsResourceResponse::default().with_error_code(code);
        Reply::Answer(IncrementalAlterConfigsResponse::default().with_responses(vec![topic]))
    });
    let wanted = BTreeMap::from([("retention.ms", "60000".to_owned())]);
    admin::alter_topic_configs(&cluster, "hb", &wanted).await.unwrap();
    let error = admin::alter_topic_configs(&cluster, "hb", &wanted).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authorization);
}

#[tokio::test]
async fn replicas_are_reassigned_listed_and_elected() {
    let (fake, cluster) = pair().await;
    fake.on(|request: AlterPartitionReassignmentsRequest, call| {
        let partition = &request.topics[0].partitions[0];
        assert_eq!(partition.replicas.as_deref(), Some(&[messages::BrokerId(2), messages::BrokerId(1)][..]));
        let code = if call.number == 0 { 0 } else { 39 };
        let partition = ReassignablePartitionResponse::default().with_error_code(code);
        let topic = ReassignableTopicResponse::default().with_partitions(vec![partition]);
        Reply::Answer(AlterPartitionReassignmentsResponse::default().with_responses(vec![topic]))
    });
    let moves = BTreeMap::from([(4, vec![BrokerId(2), BrokerId(1)])]);
    admin::reassign(&cluster, "hb", &moves).await.unwrap();
    assert!(admin::reassign(&cluster, "hb", &moves).await.is_err(), "an error of a single partition counts");

    fake.on(|request: ListPartitionReassignmentsRequest, _| {
        assert_eq!(request.topics.unwrap()[0].partition_indexes, [3, 4]);
        let moving = OngoingPartitionReassignment::default().with_partition_index(4);
        let topic = OngoingTopicReassignment::default().with_partitions(vec![moving]);
        Reply::Answer(ListPartitionReassignmentsResponse::default().with_topics(vec![topic]))
    });
    assert_eq!(admin::reassignments(&cluster, "hb", &[3, 4]).await.unwrap(), [4]);

    fake.on(|request: ElectLeadersRequest, call| {
        assert_eq!((request.election_type, request.topic_partitions.unwrap()[0].partitions.len()), (0, 2));
        let code = [0, 84, 80][call.number];
        let partition = PartitionResult::default().with_error_code(code);
        let topic = ReplicaElectionResult::default().with_partition_result(vec![partition]);
        Reply::Answer(ElectLeadersResponse::default().with_replica_election_results(vec![topic]))
    });
    admin::elect_preferred(&cluster, "hb", &[3, 4]).await.unwrap();
    admin::elect_preferred(&cluster, "hb", &[3, 4]).await.unwrap();
    let error = admin::elect_preferred(&cluster, "hb", &[3, 4]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::NoLeader);
}

#[tokio::test]
async fn coordinators_are_found_in_one_request_or_one_by_one() {
    let coordinator = |key: &str, node: i32, code: i16| {
        messages::find_coordinator_response::Coordinator::default()
            .with_key(StrBytes::from_string(key.to_owned()))
            .with_node_id(messages::BrokerId(node))
            .with_error_code(code)
    };
    let (fake, cluster) = pair().await;
    fake.on(move |request: FindCoordinatorRequest, _| {
        let found = request.coordinator_keys.iter().filter_map(|key| match key.as_str() {
            "here" => Some(coordinator(key, 1, 0)),
            "loading" => Some(coordinator(key, -1, 15)),
            "secret" => Some(coordinator(key, -1, 30)),
            _ => None,
        });
        Reply::Answer(FindCoordinatorResponse::default().with_coordinators(found.collect()))
    });
    let groups = ["here", "loading", "secret", "forgotten"];
    let seen = |found: BTreeMap<String, Result<BrokerId, kafka_heartbeat::kafka::Error>>| {
        groups.map(|group| found[group].as_ref().map(|broker| broker.0).map_err(|error| error.fault()))
    };
    let found =
        admin::coordinators(&cluster, admin::Coordinated::Groups, &groups).await.expect("coordinators");
    let (absent, denied) = (Err(Fault::NoLeader), Err(Fault::Authorization));
    assert_eq!(seen(found), [Ok(1), absent, denied, Err(Fault::Protocol)]);
    assert_eq!(fake.count::<FindCoordinatorRequest>(), 1);
    let (fake, _) = pair().await;
    fake.versions::<FindCoordinatorRequest>(0..=3);
    fake.on(|request: FindCoordinatorRequest, _| {
        let answer = FindCoordinatorResponse::default();
        Reply::Answer(match request.key.as_str() {
            "here" => answer.with_node_id(messages::BrokerId(1)),
            "loading" => answer.with_node_id(messages::BrokerId(-1)).with_error_code(15),
            "secret" => answer.with_node_id(messages::BrokerId(-1)).with_error_code(30),
            _ => answer.with_node_id(messages::BrokerId(-1)),
        })
    });
    let cluster = super::cluster(&[&fake], AMPLE);
    let found =
        admin::coordinators(&cluster, admin::Coordinated::Groups, &groups).await.expect("coordinators");
    assert_eq!(seen(found), [Ok(1), absent, denied, absent]);
    assert_eq!(fake.count::<FindCoordinatorRequest>(), 4);
}

/// Three partitions a page, of two topics with five each.
fn page(request: &DescribeTopicPartitionsRequest, turns_back: bool) -> DescribeTopicPartitionsResponse {
    let all: Vec<(&str, i32)> =
        ["a", "b"].into_iter().flat_map(|topic| (0..5).map(move |p| (topic, p))).collect();
    let from = request.cursor.as_ref().map_or(0, |cursor| {
        let place = (cursor.topic_name.0.as_str(), cursor.partition_index);
        all.iter().position(|at| *at == place).unwrap()
    });
    let rest = &all[from..];
    let topics = ["a", "b"].into_iter().filter_map(|name| {
        let partitions: Vec<_> = rest.iter().take(3).filter(|(topic, _)| *topic == name).collect();
        let partition = |(_, number): &&(&str, i32)| {
            DescribeTopicPartitionsResponsePartition::default()
                .with_partition_index(*number)
                .with_leader_id(messages::BrokerId(if *number == 4 { -1 } else { 1 }))
                .with_replica_nodes(vec![messages::BrokerId(1), messages::BrokerId(2)])
                .with_isr_nodes(vec![messages::BrokerId(1)])
        };
        (!partitions.is_empty()).then(|| {
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(messages::TopicName(StrBytes::from_static_str(name))))
                .with_partitions(partitions.iter().map(partition).collect())
        })
    });
    let next = if turns_back && from > 0 { Some(&all[0]) } else { rest.get(3) };
    let next = next.map(|(topic, number)| {
        describe_topic_partitions_response::Cursor::default()
            .with_topic_name(messages::TopicName(StrBytes::from_static_str(topic)))
            .with_partition_index(*number)
    });
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect()).with_next_cursor(next)
}

#[tokio::test]
async fn topics_are_described_page_by_page_if_the_broker_supports_pages() {
    let fake = Fake::start().await;
    fake.on(|request: DescribeTopicPartitionsRequest, _| Reply::Answer(page(&request, false)));
    let cluster = cluster(&[&fake], AMPLE);
    let metadata = admin::metadata(&cluster, Topics::Pages).await.unwrap();
    assert_eq!(fake.count::<DescribeTopicPartitionsRequest>(), 4);
    assert_eq!(metadata.brokers.keys().copied().collect::<Vec<_>>(), [BrokerId(1)]);
    for name in ["a", "b"] {
        let topic = metadata.topics[name].as_ref().unwrap();
        let leaders: Vec<_> = topic.partitions.values().map(|partition| partition.leader).collect();
        let one = Some(BrokerId(1));
        assert_eq!(
            leaders,
            [one, one, one, one, None],
            "{name} has all its partitions although two pages share it"
        );
        assert_eq!((topic.partitions[&0].replicas.len(), topic.partitions[&0].isr.len()), (2, 1));
    }
    fake.on(|request: DescribeTopicPartitionsRequest, _| Reply::Answer(page(&request, true)));
    let error = admin::metadata(&cluster, Topics::Pages).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Protocol, "pages that go back would never end");
    fake.without::<DescribeTopicPartitionsRequest>();
    let fresh = self::cluster(&[&fake], AMPLE);
    let whole = admin::metadata(&fresh, Topics::Pages).await.unwrap();
    assert_eq!(whole.brokers.len(), 1, "an older broker gets one request for all topics");
}
