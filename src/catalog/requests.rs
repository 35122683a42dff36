//! Families of the service's own requests to Kafka: what Kafka permits, how many there are and how Kafka throttles them.

use super::{Family, Kind, family::family};

families! {
    pub static CAPABILITY: Family<3> = family(
        "heartbeat_capability",
        Kind::Gauge,
        &["kafka_cluster", "api", "state"],
        "1 for the current state of a request that needs a permission: ok, denied, unsupported or unknown. The state is also unknown where Kafka may hide topics or groups without an error.",
    );

    pub static REQUESTS: Family<1> = family(
        "heartbeat_requests_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Requests that the service sent to brokers, without the requests of the heartbeat clients.",
    );

    pub static VIOLATIONS: Family<1> = family(
        "heartbeat_protocol_violations_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Connections that the service closed because the peer sent bytes that are not Kafka's protocol, or an answer that is too large.",
    );

    pub static REQUEST_THROTTLE: Family<2> = family(
        "heartbeat_request_throttle_seconds_total",
        Kind::Counter,
        &["kafka_cluster", "api"],
        "Time for which brokers throttled the service's own connections because of a quota, without those of the heartbeats, by Kafka's name of the request. Absent until a request is throttled.",
    );
}
