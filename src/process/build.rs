//! What the program was built from.

/// The revision the program was built from, where the build was told.
pub fn revision() -> &'static str {
    option_env!("KAFKA_HEARTBEAT_REVISION").unwrap_or("unknown")
}

/// librdkafka's version.
pub fn librdkafka() -> String {
    rdkafka::util::get_rdkafka_version().1
}
