//! Families of transactions that hold back readers of committed records.

use super::{Family, Kind, family::family};

families! {
    pub static HELD: Family<3> = family(
        "kafka_partition_stable_offset_held_seconds",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Time for which the last stable offset has not moved and has been smaller than the high watermark. Absent below [transactions] min.age.",
    );

    pub static RECORDS: Family<3> = family(
        "kafka_partition_held_back_records",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Records from the last stable offset to the high watermark, hidden from read_committed consumers. Absent if the offset has been held for less than [transactions] min.age.",
    );

    pub static HOLDER: Family<5> = family(
        "kafka_partition_transaction_info",
        Kind::Info,
        &["kafka_cluster", "topic", "partition", "producer_id", "transactional_id"],
        "Producer whose open transaction holds the last stable offset; the value is always 1. The label transactional_id is empty if no coordinator knows the id or could be queried.",
    );

    pub static HANGING: Family<3> = family(
        "kafka_partition_hanging_transaction",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "1 for an open transaction that will not end by itself: its coordinator does not know it, or it is older than the longest allowed timeout. Else 0. Absent while neither is known.",
    );
}
