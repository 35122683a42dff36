//! Families of the reads from every replica of the heartbeat topic.

use super::{Family, Kind, family::family};

families! {
    pub static READS: Family<2> = family(
        "heartbeat_replica_reads_total",
        Kind::Counter,
        &["kafka_cluster", "broker"],
        "Newest records of the heartbeat topic that were looked for at the broker as a replica, leader or not. Absent if followers do not serve consumers.",
    );

    pub static FAILURES: Family<3> = family(
        "heartbeat_replica_read_failures_total",
        Kind::Counter,
        &["kafka_cluster", "broker", "fault"],
        "Newest records that could not be read from the broker as a replica, by fault. The fault timeout also counts a record that an in-sync replica did not show in time.",
    );

    pub static VISIBLE: Family<2> = family(
        "heartbeat_replica_visible_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "broker"],
        "Time from the moment at which all leaders had reported their newest records as committed until the broker returned the record as a replica. Records that were late are not counted.",
    );

    pub static LATE: Family<2> = family(
        "heartbeat_replica_late_partitions",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Partitions of the heartbeat topic whose newest record the broker did not return in time in the last two reads or more, although it is an in-sync replica.",
    );

    pub static DAMAGED: Family<2> = family(
        "heartbeat_replica_batches_damaged",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Record batches of the heartbeat topic that do not have their checksum on the broker, or differ from those of the leader, and that are still there.",
    );

    pub static DAMAGED_TOTAL: Family<2> = family(
        "heartbeat_replica_damaged_batches_total",
        Kind::Counter,
        &["kafka_cluster", "broker"],
        "Damaged record batches that were found on the broker, each counted once.",
    );
}
