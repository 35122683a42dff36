//! Families of the reads from remote storage.

use super::{Family, Kind, family::family};

families! {
    pub static PARTITIONS: Family<2> = family(
        "heartbeat_remote_read_partitions",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Partitions of the heartbeat topic that the broker leads and whose first record is in remote storage alone. Absent if the broker did not say, and without [remote_reads].",
    );

    pub static READS: Family<2> = family(
        "heartbeat_remote_reads_total",
        Kind::Counter,
        &["kafka_cluster", "broker"],
        "Records in remote storage alone that were asked for at the broker. Absent before the first one, and without [remote_reads].",
    );

    pub static FAILURES: Family<3> = family(
        "heartbeat_remote_read_failures_total",
        Kind::Counter,
        &["kafka_cluster", "broker", "fault"],
        "Records in remote storage alone that the broker did not return, by fault. The fault timeout also counts a broker that answered without the record.",
    );

    pub static FAILING: Family<2> = family(
        "heartbeat_remote_reads_failing",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Reads from remote storage that failed in a row at the broker. 0 if the last one was good, or nothing is left to read. Absent before the first one.",
    );

    pub static DURATION: Family<2> = family(
        "heartbeat_remote_read_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "broker"],
        "Time from the first request for a record in remote storage alone until the broker returned it. Failed reads are not counted.",
    );
}
