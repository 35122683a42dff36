//! The revision and the librdkafka version that the program was built from.

/// The revision of the source, or `unknown` if the build did not set `KAFKA_HEARTBEAT_REVISION`.
pub fn revision() -> &'static str {
    option_env!("KAFKA_HEARTBEAT_REVISION").unwrap_or("unknown")
}

/// librdkafka's version.
pub fn librdkafka() -> String {
    rdkafka::util::get_rdkafka_version().1
}
