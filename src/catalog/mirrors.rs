//! Families of mirrors, which copy the heartbeats of one cluster into another. The label `kafka_cluster` is the target.

use super::{Family, Kind, family::family};

families! {
    pub static STATE: Family<4> = family(
        "heartbeat_mirror_state",
        Kind::Gauge,
        &["kafka_cluster", "mirror", "source", "state"],
        "1 for the state of the mirror, else 0: whether the mirrored heartbeat topic of the source is read in the target, which is the cluster of the series.",
    );

    pub static EXPECTED: Family<3> = family(
        "heartbeat_mirror_expected_total",
        Kind::Counter,
        &["kafka_cluster", "mirror", "source"],
        "Heartbeats that the source acknowledged and that are expected in the target: the sum of the outcomes and of the heartbeats in flight.",
    );

    pub static OUTCOMES: Family<4> = family(
        "heartbeat_mirror_outcomes_total",
        Kind::Counter,
        &["kafka_cluster", "mirror", "source", "outcome"],
        "Outcomes of expected heartbeats: mirrored in time, late, lost, or unknown because the target was not read when their time ran out.",
    );

    pub static IN_FLIGHT: Family<3> = family(
        "heartbeat_mirror_in_flight",
        Kind::Gauge,
        &["kafka_cluster", "mirror", "source"],
        "Expected heartbeats that have no outcome so far.",
    );

    pub static OVERDUE: Family<3> = family(
        "heartbeat_mirror_overdue",
        Kind::Gauge,
        &["kafka_cluster", "mirror", "source"],
        "Heartbeats in flight that were not in the target by their deadline. Absent while the target is not read to its end.",
    );

    pub static ANOMALIES: Family<4> = family(
        "heartbeat_mirror_anomalies_total",
        Kind::Counter,
        &["kafka_cluster", "mirror", "source", "kind"],
        "Records of the mirrored topic without an outcome of their own, by kind: duplicate, after_outcome, unexpected, corrupt or foreign.",
    );

    pub static DROPPED: Family<3> = family(
        "heartbeat_mirror_dropped_total",
        Kind::Counter,
        &["kafka_cluster", "mirror", "source"],
        "Acknowledged heartbeats that were not expected in the target, because this service had no room for them.",
    );

    pub static LATENCY: Family<3> = family(
        "heartbeat_mirror_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "mirror", "source"],
        "Time from producing a heartbeat in the source until it was read in the target. Lost heartbeats are not counted. A heartbeat that arrived while the target was not read is not counted either.",
    );

    pub static NEWEST: Family<3> = family(
        "heartbeat_mirror_newest_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "mirror", "source"],
        "When the newest heartbeat that was read in the target had been produced in the source. Absent before the first.",
    );

    pub static CHECKPOINTS: Family<4> = family(
        "heartbeat_mirror_checkpoints_total",
        Kind::Counter,
        &["kafka_cluster", "mirror", "source", "translation"],
        "Offsets that MirrorMaker 2 translated for consumer groups of this service: right, or skips if a group that goes on there in the target misses heartbeats.",
    );

    pub static CHECKPOINT_REPEATED: Family<3> = family(
        "heartbeat_mirror_checkpoint_repeated_records",
        Kind::Gauge,
        &["kafka_cluster", "mirror", "source"],
        "Records that a consumer group reads again if it goes on in the target, by the last translated offset that was right. Absent before the first.",
    );

    pub static CHECKPOINT_NEWEST: Family<3> = family(
        "heartbeat_mirror_checkpoint_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "mirror", "source"],
        "When the last offset that MirrorMaker 2 translated for consumer groups of this service was read in the target. Absent before the first.",
    );
}
