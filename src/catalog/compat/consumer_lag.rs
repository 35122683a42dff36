//! The name that the Prometheus monitoring solution has for lag. Its other names are ours.

use crate::catalog::{Family, Kind, family::family};

families! {
    pub static CONSUMER_LAG: Family<4> = family(
        "kafka_consumer_lag",
        Kind::Gauge,
        &["kafka_cluster", "group", "topic", "partition"],
        "Compatibility. Use kafka_consumergroup_group_lag. Lag in records: log end offset minus committed offset. Absent if the lag is not known.",
    );
}
