//! Families of the answers of `/probe`. They are not among the metrics of the service itself: each answer is about one target.

use super::{Family, Kind, family::family};

families! {
    pub static SUCCESS: Family<0> = family(
        "probe_success",
        Kind::Gauge,
        &[],
        "1 if the target completed every stage and, with brokers = all, a session was opened with each broker of its metadata. Otherwise 0.",
    );

    pub static DURATION: Family<0> = family(
        "probe_duration_seconds",
        Kind::Gauge,
        &[],
        "Time from the beginning of the probe to its end.",
    );

    pub static STAGE_DURATION: Family<1> = family(
        "probe_stage_duration_seconds",
        Kind::Gauge,
        &["stage"],
        "Duration of each stage that the target completed: dns, tcp, tls, api_versions, sasl, metadata. Absent for a stage that failed, was not begun or is not configured.",
    );

    pub static FAILED_STAGE: Family<2> = family(
        "probe_failed_stage",
        Kind::Gauge,
        &["stage", "fault"],
        "The stage that failed at the target and why; the value is always 1. Absent if the target completed every stage.",
    );

    pub static CERTIFICATE_EXPIRY: Family<0> = family(
        "probe_ssl_earliest_cert_expiry",
        Kind::Gauge,
        &[],
        "Unix time of the earliest expiry in the certificate chain of the target, even if the chain is not trusted. Absent if the target sent no certificate.",
    );

    pub static CLUSTER: Family<1> = family(
        "probe_kafka_cluster_info",
        Kind::Info,
        &["cluster_id"],
        "Cluster id as the target reports it; the value is always 1. Absent if the target did not report it.",
    );

    pub static BROKERS: Family<0> = family(
        "probe_kafka_brokers",
        Kind::Gauge,
        &[],
        "Number of brokers in the metadata of the target. Absent if the target did not answer the request for metadata.",
    );

    pub static CONTROLLER: Family<0> = family(
        "probe_kafka_controller_id",
        Kind::Gauge,
        &[],
        "Id of the controller in the metadata of the target. With KRaft it is the id of any live broker. Absent if the metadata name no controller.",
    );

    pub static BROKER_SUCCESS: Family<1> = family(
        "probe_broker_success",
        Kind::Gauge,
        &["broker_id"],
        "1 if a session was opened with this broker of the metadata, 0 if that failed. Absent without brokers = all, and for a broker that was not checked.",
    );

    pub static BROKER_DURATION: Family<1> = family(
        "probe_broker_duration_seconds",
        Kind::Gauge,
        &["broker_id"],
        "Sum of all stages of opening a session with this broker of the metadata. Absent if that failed or was not tried.",
    );

    pub static BROKER_FAILED_STAGE: Family<3> = family(
        "probe_broker_failed_stage",
        Kind::Gauge,
        &["broker_id", "stage", "fault"],
        "The stage that failed at this broker of the metadata and why; the value is always 1. Absent for a broker that works or was not checked.",
    );

    pub static BROKER_NOT_CHECKED: Family<2> = family(
        "probe_broker_not_checked",
        Kind::Gauge,
        &["broker_id", "reason"],
        "A broker of the metadata that was not contacted; the value is always 1. reason is not_allowed, limit or time. Absent for a broker that was checked.",
    );
}
