//! Families of the folders in which brokers keep their logs.

use super::{Family, Kind, family::family};

families! {
    pub static UP: Family<3> = family(
        "kafka_log_dir_up",
        Kind::Gauge,
        &["kafka_cluster", "broker", "log_dir"],
        "1 if the broker can use the log directory, 0 if the directory is offline. Absent if the broker does not report the directory.",
    );

    pub static SIZE: Family<3> = family(
        "kafka_log_dir_size_bytes",
        Kind::Gauge,
        &["kafka_cluster", "broker", "log_dir"],
        "Size of all logs in the log directory. Absent while the directory is offline.",
    );

    pub static USABLE: Family<3> = family(
        "kafka_log_dir_usable_bytes",
        Kind::Gauge,
        &["kafka_cluster", "broker", "log_dir"],
        "Free bytes on the volume of the log directory. Absent before Kafka 3.3.",
    );

    pub static TOTAL: Family<3> = family(
        "kafka_log_dir_total_bytes",
        Kind::Gauge,
        &["kafka_cluster", "broker", "log_dir"],
        "Size of the volume of the log directory, used and free. Absent before Kafka 3.3.",
    );

    pub static MOVING: Family<3> = family(
        "kafka_log_dir_moving_replicas",
        Kind::Gauge,
        &["kafka_cluster", "broker", "log_dir"],
        "Number of replicas that are being moved to the log directory from another directory of the same broker.",
    );

    pub static TOPIC: Family<2> = family(
        "kafka_topic_log_size_bytes",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Size of the topic's logs on disk, summed over all replicas. Absent while a broker does not report its log directories.",
    );
}
