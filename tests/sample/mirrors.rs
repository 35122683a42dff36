//! The mirror to the first cluster.

use std::time::{Duration, SystemTime};

use kafka_heartbeat::{
    kafka::Capability,
    probe::mirrors::{Checkpoints, Counts, Snapshot, State, Status},
};

use super::{buckets, ms};

/// A mirror that was paused a moment ago.
pub(super) fn mirrors(wall: SystemTime) -> Snapshot {
    let seconds = Duration::from_secs;
    let counts = Counts {
        expected: 600,
        outcomes: [560, 12, 3, 5],
        anomalies: [2, 1, 4, 0, 37],
        ..Counts::new(buckets(&[ms(40), ms(55), ms(900)]))
    };
    let status = Status {
        source: "us".into(),
        state: State::Reading,
        capability: Capability::Ok,
        names: ["us.kafka-heartbeat", "kafka-heartbeat"].map(Into::into).into(),
        topic: Some("us.kafka-heartbeat".into()),
        fault: None,
        counts,
        in_flight: 20,
        overdue: Some(8),
        oldest_overdue: Some(seconds(41)),
        newest: Some(wall - seconds(42)),
        deadline: seconds(30),
        checkpoints: Some(Checkpoints {
            topic: "us.checkpoints.internal".into(),
            counts: [120, 1, 2],
            repeated: Some(3),
            newest: Some(wall - seconds(50)),
        }),
        checkpoints_capability: Some(Capability::Ok),
        source_suspects: Vec::new(),
    };
    Snapshot { mirrors: [("dr".into(), status)].into() }
}
