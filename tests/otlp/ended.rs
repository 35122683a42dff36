//! A heartbeat of each outcome, and an exporter of traces for them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kafka_heartbeat::{
    config::{self, FlagSetting, Sources},
    export::traces::Exporter,
    kafka::{BrokerId, Fault},
    probe::heartbeat::{
        EndedHeartbeat, HeartbeatId, LeaderChange, Outcome, ReadFailure, record::Identity, trace::TraceIds,
        trace_queue::TracedHeartbeat,
    },
};

pub(crate) const PARTITION: i32 = 3;

pub(crate) fn intended() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// An exporter of traces with these settings of `[otlp]`.
pub(crate) fn exporter(pairs: &[(&str, &str)]) -> Exporter {
    let settings = pairs.iter().map(|(key, value)| FlagSetting {
        section: "otlp",
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "test",
    });
    let sources =
        Sources { bootstrap: Some("b:1".to_owned()), settings: settings.collect(), ..Sources::default() };
    let config = config::load(&sources).expect("a configuration");
    Exporter::new(&config.otlp.traces.expect("an endpoint for traces").target, "one").expect("an exporter")
}

/// One heartbeat for each outcome, whose sequence is the index of the outcome.
pub(crate) fn every_outcome() -> impl Iterator<Item = TracedHeartbeat> {
    Outcome::ALL.into_iter().map(traced)
}

/// A heartbeat with this outcome. It was sent after 2 ms, acknowledged after 5 ms if it was, and received after 9 ms if it
/// was.
pub(crate) fn traced(outcome: Outcome) -> TracedHeartbeat {
    use Outcome::{Lost, Rejected, UnackedMissing, UnackedReceived, Unsent};
    let id = HeartbeatId { partition: PARTITION, sequence: outcome as u64 };
    let failed = matches!(outcome, Rejected | UnackedReceived).then(|| ms(7));
    let ended = match outcome {
        Lost | UnackedMissing => ms(120_000),
        Outcome::Late => ms(11_000),
        Rejected => ms(7),
        Unsent => ms(2),
        _ => ms(9),
    };
    let received = match outcome {
        Outcome::Late => Some(ms(11_000)),
        Outcome::Ok | UnackedReceived => Some(ms(9)),
        _ => None,
    };
    let identity = Identity { instance: 1, epoch: 2 };
    let ended = EndedHeartbeat {
        id: identity.name(id),
        partition: PARTITION,
        sequence: id.sequence,
        broker: Some(BrokerId(1)),
        intended: intended(),
        outcome,
        schedule_delay: Some(ms(2)),
        produce: matches!(outcome, Outcome::Ok | Outcome::Late | Lost).then(|| ms(5)),
        end_to_end: received,
        fault: match outcome {
            Rejected | UnackedReceived => Some(Fault::Timeout),
            Unsent => Some(Fault::QueueFull),
            _ => None,
        },
        failed,
        missed: outcome.is_bad(),
        offset: received.map(|_| 42),
        ended,
        leader_changes: vec![LeaderChange { at: intended() + ms(6), from: Some(BrokerId(1)), to: None }],
        read_failure: (outcome == Lost)
            .then(|| ReadFailure { at: intended() + ms(4), fault: Fault::Disconnected }),
        trace: None,
    };
    let ids = TraceIds::of(identity, id);
    let suspects =
        if outcome.is_bad() { vec!["broker:3".to_owned(), "cluster".to_owned()] } else { Vec::new() };
    TracedHeartbeat { cluster: "eu".into(), topic: "beats".into(), ended: Arc::new(ended), ids, suspects }
}
