//! A mirror whose target is a scripted broker: no mirrored topic, no permission, and no answer.

use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::{Capability, Fault},
    probe::mirrors::{Inputs, Peers, Probe, State, Status},
    task::{Cycle, Latest},
};
use kafka_protocol::{
    ResponseError,
    messages::{MetadataRequest, MetadataResponse, metadata_response::MetadataResponseTopic},
};
use tokio::sync::watch;

use super::*;
use crate::fake::{Reply, metadata as described};

/// A mirror from the cluster `a` to the scripted broker.
async fn probe(fake: &Fake) -> Probe {
    let set = |section, key: &str, value: &str| FlagSetting {
        section,
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "test",
    };
    let settings = vec![
        set("cluster:a", "bootstrap.servers", "a:1"),
        set("cluster:b", "bootstrap.servers", &fake.address.to_string()),
        set("mirror:dr", "source", "a"),
        set("mirror:dr", "target", "b"),
        set("mirror", "timeout", "2s"),
    ];
    let config = config::load(&Sources { settings, ..Sources::default() }).unwrap();
    let target = Arc::new(config.clusters[1].clone());
    let known = Arc::new(cluster(&[fake], AMPLE));
    let (_, metadata) = watch::channel(Latest::<metadata::Snapshot>::new(AMPLE));
    Probe::new(Inputs { cluster: target, known, metadata, peers: Peers::default() })
}

/// What a cycle finds of the mirror.
async fn cycle(probe: &mut Probe) -> Status {
    let snapshot = time::timeout(Duration::from_secs(5), probe.cycle()).await.unwrap().unwrap();
    snapshot.mirrors["dr"].clone()
}

/// The metadata of a target in which each topic has this error.
fn refused(fake: &Fake, request: &MetadataRequest, error: ResponseError) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|topic| {
        MetadataResponseTopic::default().with_name(topic.name.clone()).with_error_code(error.code())
    });
    described(&[fake], "", &[]).with_topics(topics.collect())
}

#[tokio::test]
async fn target_without_the_mirrored_topic_is_a_state_of_its_own_with_the_names_that_were_tried() {
    let fake = Arc::new(Fake::start().await);
    let answering = fake.clone();
    fake.on(move |request: MetadataRequest, _| {
        Reply::Answer(refused(&answering, &request, ResponseError::UnknownTopicOrPartition))
    });
    let mut probe = probe(&fake).await;
    for _ in 0..2 {
        let status = cycle(&mut probe).await;
        assert_eq!((status.state, status.fault, status.overdue), (State::TopicMissing, None, None));
        assert!(status.names.iter().map(|name| &**name).eq(["a.kafka-heartbeat", "kafka-heartbeat"]));
        assert_eq!(status.counts.outcomes, [0; 4]);
    }
    assert_eq!(fake.count::<MetadataRequest>(), 2);
}

#[tokio::test]
async fn target_that_refuses_the_topic_is_not_asked_in_every_cycle() {
    let fake = Arc::new(Fake::start().await);
    let answering = fake.clone();
    fake.on(move |request: MetadataRequest, _| {
        Reply::Answer(refused(&answering, &request, ResponseError::TopicAuthorizationFailed))
    });
    let mut probe = probe(&fake).await;
    for _ in 0..3 {
        let status = cycle(&mut probe).await;
        assert_eq!((status.state, status.capability), (State::Denied, Capability::Denied));
        assert_eq!(status.fault, Some(Fault::Authorization));
    }
    assert_eq!(fake.count::<MetadataRequest>(), 1);
}

#[tokio::test]
async fn topic_of_checkpoints_that_may_not_be_read_is_a_refusal_of_its_own() {
    let fake = Arc::new(Fake::start().await);
    let answering = fake.clone();
    fake.on(move |request: MetadataRequest, _| {
        let mut answer = refused(&answering, &request, ResponseError::UnknownTopicOrPartition);
        for topic in &mut answer.topics {
            if topic.name.as_ref().is_some_and(|name| name.as_str() == "a.checkpoints.internal") {
                topic.error_code = ResponseError::TopicAuthorizationFailed.code();
            }
        }
        Reply::Answer(answer)
    });
    let mut probe = probe(&fake).await;
    let status = cycle(&mut probe).await;
    assert_eq!((status.state, status.capability), (State::TopicMissing, Capability::Unknown));
    assert_eq!(status.checkpoints_capability, Some(Capability::Denied));
    assert_eq!(status.checkpoints, None);
}

#[tokio::test]
async fn target_that_does_not_answer_is_unreadable_and_the_cycle_ends_in_time() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, _| Reply::Silence);
    let mut probe = probe(&fake).await;
    let status = cycle(&mut probe).await;
    assert_eq!((status.state, status.capability), (State::Unreadable, Capability::Unknown));
    assert_eq!((status.fault, status.overdue), (Some(Fault::Timeout), None));
}
