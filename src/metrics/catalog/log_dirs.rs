//! Families of the folders in which brokers keep their logs.

use crate::metrics::{Description, Family, Kind, family};

pub static UP: Family<3> = family(
    "kafka_log_dir_up",
    Kind::Gauge,
    &["kafka_cluster", "broker", "log_dir"],
    "1 if the broker can use the folder, 0 if it is offline. Absent where the broker does not tell.",
);

pub static SIZE: Family<3> = family(
    "kafka_log_dir_size_bytes",
    Kind::Gauge,
    &["kafka_cluster", "broker", "log_dir"],
    "Bytes of all logs in the folder. Absent for one that is offline.",
);

pub static USABLE: Family<3> = family(
    "kafka_log_dir_usable_bytes",
    Kind::Gauge,
    &["kafka_cluster", "broker", "log_dir"],
    "Bytes that are left on the folder's volume. Absent before Kafka 3.3.",
);

pub static TOTAL: Family<3> = family(
    "kafka_log_dir_total_bytes",
    Kind::Gauge,
    &["kafka_cluster", "broker", "log_dir"],
    "Bytes of the folder's volume, used or not. Absent before Kafka 3.3.",
);

pub static MOVING: Family<3> = family(
    "kafka_log_dir_moving_replicas",
    Kind::Gauge,
    &["kafka_cluster", "broker", "log_dir"],
    "Replicas that are being moved here from another folder of the broker.",
);

pub static TOPIC: Family<2> = family(
    "kafka_topic_log_size_bytes",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Bytes of the topic's logs, all replicas together. Absent while a broker does not tell: its part would be missing.",
);

/// All of them, in the order in which they are served.
pub static ALL: [&Description; 6] = [
    &UP.description,
    &SIZE.description,
    &USABLE.description,
    &TOTAL.description,
    &MOVING.description,
    &TOPIC.description,
];
