//! Families of the durability audit.

use super::{Family, Kind, family::family};

families! {
    pub static CHECKED: Family<2> = family(
        "heartbeat_durability_checked_total",
        Kind::Counter,
        &["kafka_cluster", "age"],
        "Acknowledged heartbeats that were read again from the leader at this age and compared, lost ones included. The age retention is shortly before the topic may delete the record.",
    );

    pub static LOST: Family<2> = family(
        "heartbeat_durability_lost_total",
        Kind::Counter,
        &["kafka_cluster", "reason"],
        "Acknowledged heartbeats whose record was found to be missing, different, or cut off with the end of the log. Each is counted once.",
    );

    pub static UNCHECKED: Family<2> = family(
        "heartbeat_durability_unchecked_total",
        Kind::Counter,
        &["kafka_cluster", "reason"],
        "Sampled heartbeats that are not read again any more and do not count as lost, for example because they are older than the retention or the topic was recreated.",
    );

    pub static SAMPLES: Family<1> = family(
        "heartbeat_durability_samples",
        Kind::Gauge,
        &["kafka_cluster"],
        "Sampled acknowledged heartbeats that are read again later.",
    );

    pub static OVERDUE: Family<1> = family(
        "heartbeat_durability_samples_overdue",
        Kind::Gauge,
        &["kafka_cluster"],
        "Sampled heartbeats that were due in the last cycle of the durability audit and could not be read or judged. The next cycle reads these samples again.",
    );
}
