//! Families of transactions that hold back readers of committed records.

use crate::metrics::{Description, Family, Kind, family};

pub static HELD: Family<3> = family(
    "kafka_partition_stable_offset_held_seconds",
    Kind::Gauge,
    &["kafka_cluster", "topic", "partition"],
    "For how long the last stable offset has been seen behind the end, at the same place. Absent below [transactions] min.age.",
);

pub static RECORDS: Family<3> = family(
    "kafka_partition_held_back_records",
    Kind::Gauge,
    &["kafka_cluster", "topic", "partition"],
    "Records from the last stable offset to the end, which readers of committed records do not get. Absent as the time is.",
);

pub static HOLDER: Family<5> = family(
    "kafka_partition_transaction_info",
    Kind::Info,
    &["kafka_cluster", "topic", "partition", "producer_id", "transactional_id"],
    "Who holds readers back. transactional_id is empty where no coordinator knows one, or could be asked.",
);

pub static HANGING: Family<3> = family(
    "kafka_partition_hanging_transaction",
    Kind::Gauge,
    &["kafka_cluster", "topic", "partition"],
    "1 for a transaction that nobody will end: its coordinator knows nothing of it, or it is older than any may be. 0 if one does. Absent while that is not known.",
);

/// All of them, in the order in which they are served.
pub static ALL: [&Description; 4] =
    [&HELD.description, &RECORDS.description, &HOLDER.description, &HANGING.description];
