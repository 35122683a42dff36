//! A mirror whose target is a scripted broker: no mirrored topic, no permission, no answer, and control batches at the log end.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};

use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::{Capability, Fault},
    probe::mirrors::{Inputs, Peers, Probe, State, Status},
    task::{Cycle, Latest},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        FetchRequest, FetchResponse, GetTelemetrySubscriptionsRequest, ListOffsetsRequest, MetadataRequest,
        MetadataResponse, metadata_response::MetadataResponseTopic,
    },
};
use tokio::sync::watch;

use super::{
    collect::ends,
    stored::{commit_marker, fetched, stored},
    *,
};
use crate::fake::{Reply, metadata as described};

/// A mirror from the cluster `a` to the scripted broker.
async fn probe(fake: &Fake) -> Probe {
    probe_with(fake, &[]).await
}

/// The same with more settings of the mirror.
async fn probe_with(fake: &Fake, more: &[(&str, &str)]) -> Probe {
    let set = |section, key: &str, value: &str| FlagSetting {
        section,
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "test",
    };
    let mut settings = vec![
        set("cluster:a", "bootstrap.servers", "a:1"),
        set("cluster:b", "bootstrap.servers", &fake.address.to_string()),
        set("mirror:dr", "source", "a"),
        set("mirror:dr", "target", "b"),
        set("mirror", "timeout", "4s"),
    ];
    settings.extend(more.iter().map(|(key, value)| set("mirror:dr", key, value)));
    let config = config::load(&Sources { settings, ..Sources::default() }).expect("a configuration");
    let target = Arc::new(config.clusters[1].clone());
    let known = Arc::new(cluster(&[fake], AMPLE));
    let (_, metadata) = watch::channel(Latest::<metadata::Snapshot>::new(AMPLE));
    Probe::new(Inputs { cluster: target, known, metadata, peers: Peers::default() })
}

/// What a cycle finds of the mirror.
async fn cycle(probe: &mut Probe) -> Status {
    let snapshot = time::timeout(Duration::from_secs(5), probe.cycle()).await;
    let snapshot = snapshot.expect("the cycle ends in time").expect("a cycle");
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

/// The log end when the mirrored topic is first read.
const END: i64 = 10;

/// The largest answer that the service asks for when it looks at the headers of batches, in bytes for each partition. The client that
/// reads the records asks for more.
const HEADERS: i32 = 4096;

/// A target whose mirrored topic `copy` has one partition.
struct Target {
    fake: Fake,
    end: Arc<AtomicI64>,
    /// The number of requests for headers of batches.
    looks: Arc<AtomicUsize>,
}

impl Target {
    async fn new() -> Self {
        let fake = Fake::start().await;
        // librdkafka has no need for this request, and a scripted broker ends a session for it.
        fake.without::<GetTelemetrySubscriptionsRequest>();
        // From version 13 on, a Fetch names topics by their ids.
        fake.versions::<FetchRequest>(4..=12);
        let answer = described(&[&fake], "copy", &[1]);
        fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
        let end = Arc::new(AtomicI64::new(END));
        let of_log = end.clone();
        fake.on(move |request: ListOffsetsRequest, _| {
            let mut answer = ends(&request, |_| 0);
            let partitions = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            partitions.for_each(|partition| partition.offset = of_log.load(Relaxed));
            Reply::Answer(answer)
        });
        Self { fake, end, looks: Arc::default() }
    }

    /// The records that the reader gets, and what the request for the headers of batches gets, each for the batches from an offset on.
    fn serve(
        &self,
        to_reader: impl Fn(i64) -> Vec<u8> + Send + Sync + 'static,
        headers: impl Fn(i64) -> Reply<Vec<u8>> + Send + Sync + 'static,
    ) {
        let looks = self.looks.clone();
        self.fake.on(move |request: FetchRequest, _| {
            let first = request.topics.iter().flat_map(|topic| &topic.partitions).next();
            let Some(first) = first else { return Reply::Close };
            let answer = |batches: &[u8]| fetched(&request, 0, batches);
            if first.partition_max_bytes > HEADERS {
                let batches = to_reader(first.fetch_offset);
                // A broker waits for records before it answers without one.
                let wait = if batches.is_empty() { Duration::from_millis(50) } else { Duration::ZERO };
                return Reply::After(wait, answer(&batches));
            }
            looks.fetch_add(1, Relaxed);
            match headers(first.fetch_offset) {
                Reply::Answer(batches) => Reply::Answer(answer(&batches)),
                _ => Reply::<FetchResponse>::Close,
            }
        });
    }

    /// A mirror that has read the topic to its end.
    async fn read_to_the_end(&self) -> Probe {
        let mut probe = probe_with(&self.fake, &[("topic", "copy")]).await;
        let status = cycle(&mut probe).await;
        assert_eq!((status.state, status.fault), (State::Reading, None));
        assert_eq!(self.looks.load(Relaxed), 0, "nothing is behind the log end");
        probe
    }
}

/// A log with a record at offset 9 and control batches from offset 10 on, read from an offset to the log end.
fn record_and_markers(offset: i64, end: i64) -> Vec<u8> {
    let of = |at| if at < END { stored(at, 0, b"a record of another client") } else { commit_marker(at, 0) };
    (offset.max(END - 1)..end).flat_map(of).collect()
}

#[tokio::test]
async fn control_batches_at_the_log_end_are_no_records_that_wait() {
    let target = Target::new().await;
    let [of_reader, of_headers] = [target.end.clone(), target.end.clone()];
    target.serve(
        move |offset| record_and_markers(offset, of_reader.load(Relaxed)),
        move |offset| Reply::Answer(record_and_markers(offset, of_headers.load(Relaxed))),
    );
    let mut probe = target.read_to_the_end().await;
    for (looks, end) in [(1, END + 1), (2, END + 2), (3, END + 5)] {
        target.end.store(end, Relaxed);
        for _ in 0..2 {
            let status = cycle(&mut probe).await;
            assert_eq!((status.state, status.fault), (State::Reading, None), "log end {end}");
            assert!(status.overdue.is_some(), "the target has been read to its end");
            assert_eq!(status.counts.anomalies.iter().sum::<u64>(), 0, "a control batch is no record");
        }
        assert_eq!(target.looks.load(Relaxed), looks, "each log end is looked at once");
    }
}

#[tokio::test]
async fn target_is_not_read_to_its_end_unless_control_batches_alone_fill_the_rest() {
    let of = |batches: &[Vec<u8>]| Reply::Answer(batches.concat());
    let data = |offset| stored(offset, 0, b"x");
    type Headers = Box<dyn Fn(i64) -> Reply<Vec<u8>> + Send + Sync>;
    // The log end is at 12, and the reader gets no answer with a record.
    let cases: [(&str, Headers, State); 7] = [
        (
            "control batches",
            Box::new(move |_| of(&[commit_marker(10, 0), commit_marker(11, 0)])),
            State::Reading,
        ),
        (
            "a record before the position",
            Box::new(move |_| of(&[data(9), commit_marker(10, 0), commit_marker(11, 0)])),
            State::Reading,
        ),
        ("a gap before the last batch", Box::new(move |_| of(&[commit_marker(11, 0)])), State::Reading),
        (
            "a record behind a control batch",
            Box::new(move |_| of(&[commit_marker(10, 0), data(11)])),
            State::Unreadable,
        ),
        ("a batch less", Box::new(move |_| of(&[commit_marker(10, 0)])), State::Unreadable),
        ("no batch", Box::new(move |_| of(&[])), State::Unreadable),
        ("no answer", Box::new(|_| Reply::Close), State::Unreadable),
    ];
    for (name, headers, expected) in cases {
        let target = Target::new().await;
        target.serve(|_| Vec::new(), headers);
        let mut probe = target.read_to_the_end().await;
        target.end.store(12, Relaxed);
        // A single cycle may end before the records have come.
        let first = cycle(&mut probe).await;
        assert_eq!((first.state, first.fault), (State::Reading, None), "{name}");
        let second = cycle(&mut probe).await;
        let fault = (expected == State::Unreadable).then_some(Fault::Timeout);
        assert_eq!((second.state, second.fault), (expected, fault), "{name}");
        // Once the rest is known to be control batches, the target counts as read.
        target.serve(|_| Vec::new(), move |_| of(&[commit_marker(10, 0), commit_marker(11, 0)]));
        let third = cycle(&mut probe).await;
        assert_eq!((third.state, third.fault), (State::Reading, None), "{name}");
    }
}
