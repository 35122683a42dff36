//! Every family: name, kind, labels, help. Nothing else.
//!
//! Names are a contract with dashboards and alerts. A name in an alert is found here with a text search.

#![expect(missing_docs, reason = "every family's help says it")]

pub mod collect;
pub mod compat;
pub mod judge;
pub mod log_dirs;
pub mod process;
mod tasks;
pub mod transactions;

pub use tasks::*;

use super::{Description, Family, Kind, family};

pub static SCHEDULED: Family<2> = family(
    "heartbeat_scheduled_total",
    Kind::Counter,
    &["kafka_cluster", "partition"],
    "Heartbeats that became due on a partition. The total always equals the heartbeats with an outcome plus the heartbeats in flight.",
);

pub static OUTCOMES: Family<4> = family(
    "heartbeat_outcomes_total",
    Kind::Counter,
    &["kafka_cluster", "partition", "broker", "outcome"],
    "Heartbeats that ended, by outcome. The label broker is the leader of the partition when the heartbeat was sent, or unknown if the partition had no leader.",
);

pub static ANOMALIES: Family<3> = family(
    "heartbeat_anomalies_total",
    Kind::Counter,
    &["kafka_cluster", "partition", "kind"],
    "Records read from the heartbeat topic that are counted but not judged, by kind: duplicate, out_of_order, corrupt, foreign, stale_epoch, after_horizon or same_name.",
);

pub static IN_FLIGHT: Family<2> = family(
    "heartbeat_in_flight",
    Kind::Gauge,
    &["kafka_cluster", "partition"],
    "Heartbeats that are scheduled and have no outcome yet.",
);

pub static SLO_EVENTS: Family<1> = family(
    "heartbeat_slo_events_total",
    Kind::Counter,
    &["kafka_cluster"],
    "Heartbeats judged good or bad, each at its deadline at the latest. Denominator of an availability objective.",
);

pub static SLO_BAD_EVENTS: Family<1> = family(
    "heartbeat_slo_bad_events_total",
    Kind::Counter,
    &["kafka_cluster"],
    "Heartbeats judged bad. Numerator of an availability objective; heartbeat_slo_events_total is the denominator.",
);

pub static SLO_UNACKNOWLEDGED_EVENTS: Family<1> = family(
    "heartbeat_slo_unacknowledged_events_total",
    Kind::Counter,
    &["kafka_cluster"],
    "Heartbeats judged bad that Kafka had not acknowledged by their deadline.",
);

pub static PRODUCE: Family<3> = family(
    "heartbeat_produce_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition", "broker"],
    "Time from the scheduled instant of a sent heartbeat to its acknowledgement. A heartbeat without an acknowledgement by its deadline counts just above the deadline.",
);

pub static END_TO_END: Family<3> = family(
    "heartbeat_end_to_end_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition", "broker"],
    "Time from the scheduled instant of a heartbeat until it was read back. A heartbeat not read back by its deadline counts just above the deadline. Skipped heartbeats are not counted.",
);

pub static DELIVERY: Family<3> = family(
    "heartbeat_delivery_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition", "broker"],
    "Time from sending a heartbeat until it was read back. Heartbeats that were not read back are not counted.",
);

pub static STARTUP: Family<1> = family(
    "heartbeat_startup_duration_seconds",
    Kind::Gauge,
    &["kafka_cluster"],
    "Time from the start or the last renewal of the heartbeat clients until heartbeats were scheduled on every partition. Absent before the first heartbeats are scheduled.",
);

pub static CLIENT_RENEWALS: Family<3> = family(
    "heartbeat_client_renewals_total",
    Kind::Counter,
    &["kafka_cluster", "client", "reason"],
    "Heartbeat clients of librdkafka that were replaced: after a fatal error of librdkafka (fatal_error), or because the heartbeat topic was recreated (topic_recreated).",
);

pub static SCHEDULE_DELAY: Family<1> = family(
    "heartbeat_schedule_delay_seconds",
    Kind::Histogram,
    &["kafka_cluster"],
    "Time from the scheduled instant of a heartbeat until the service sent it. A delay is caused by the service or its machine, not by Kafka.",
);

pub static LAST_SUCCESS: Family<2> = family(
    "heartbeat_last_success_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "partition"],
    "Unix time at which a heartbeat last ended with outcome ok. Absent before the first such heartbeat.",
);

pub static PARTITION_LEADER: Family<4> = family(
    "heartbeat_partition_leader_info",
    Kind::Info,
    &["kafka_cluster", "partition", "broker", "rack"],
    "Leader of a heartbeat partition; the value is always 1. Absent while the partition has no leader or the leader is not known. The label rack is empty for a broker without a rack.",
);

pub static PROBER_HEALTHY: Family<1> = family(
    "heartbeat_prober_healthy",
    Kind::Gauge,
    &["kafka_cluster"],
    "1 if the prober itself works, 0 for half a minute after its process stalled or had no free file descriptor. With 0, measurements say little about Kafka.",
);

pub static PRODUCE_ERRORS: Family<2> = family(
    "heartbeat_produce_errors_total",
    Kind::Counter,
    &["kafka_cluster", "fault"],
    "Heartbeats that the Kafka client refused to send or could not deliver, by fault.",
);

pub static FETCH_ERRORS: Family<2> = family(
    "heartbeat_fetch_errors_total",
    Kind::Counter,
    &["kafka_cluster", "fault"],
    "Errors of the consumer that reads heartbeats back, by fault.",
);

pub static THROTTLE: Family<2> = family(
    "heartbeat_throttle_seconds",
    Kind::Histogram,
    &["kafka_cluster", "api"],
    "Longest throttle time that a broker imposed on the heartbeat clients within 15 s, by api. Intervals of 15 s without throttling are not counted.",
);

pub static BROKER_UP: Family<2> = family(
    "heartbeat_broker_up",
    Kind::Gauge,
    &["kafka_cluster", "broker"],
    "1 if the last attempt to open a new session with the broker succeeded, 0 if it failed. Absent for a broker that left the metadata.",
);

pub static BROKER_CHECKS: Family<2> = family(
    "heartbeat_broker_checks_total",
    Kind::Counter,
    &["kafka_cluster", "broker"],
    "Attempts to open a new session with the broker.",
);

pub static BROKER_CHECK_FAILURES: Family<4> = family(
    "heartbeat_broker_check_failures_total",
    Kind::Counter,
    &["kafka_cluster", "broker", "stage", "fault"],
    "Attempts to open a new session with the broker that failed, by stage and fault. Common combinations are exposed from the start, rare combinations after their first failure.",
);

pub static BROKER_CONNECT: Family<3> = family(
    "heartbeat_broker_connect_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "broker", "stage"],
    "Duration of each completed stage of opening a new session with the broker. The stage total covers successful sessions only.",
);

pub static CERTIFICATE_EXPIRY: Family<2> = family(
    "heartbeat_broker_certificate_expiry_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "broker"],
    "Unix time of the earliest expiry in the certificate chain that the broker presents. Absent without TLS.",
);

pub static BROKER_INFO: Family<5> = family(
    "heartbeat_broker_info",
    Kind::Info,
    &["kafka_cluster", "broker", "host", "port", "rack"],
    "Address that the broker advertises; the value is always 1. The label rack is empty for a broker without a rack.",
);

pub static BROKERS: Family<1> = family(
    "heartbeat_brokers",
    Kind::Gauge,
    &["kafka_cluster"],
    "Number of brokers in the cluster metadata. Absent while the metadata is not known.",
);

pub static TOPICS: Family<1> = family(
    "heartbeat_topics",
    Kind::Gauge,
    &["kafka_cluster"],
    "Number of topics in the cluster metadata that the service may see. Absent while the metadata is not known.",
);

pub static PARTITIONS: Family<1> = family(
    "heartbeat_partitions",
    Kind::Gauge,
    &["kafka_cluster"],
    "Number of partitions of all topics that the service may see. Absent while the metadata is not known.",
);

pub static QUORUM_LEADER: Family<2> = family(
    "heartbeat_quorum_leader_info",
    Kind::Info,
    &["kafka_cluster", "broker"],
    "Leader of the KRaft quorum; the value is always 1. Absent without the permission to ask, or if the cluster does not support the request.",
);

pub static QUORUM_EPOCH: Family<1> = family(
    "heartbeat_quorum_epoch",
    Kind::Gauge,
    &["kafka_cluster"],
    "Epoch of the leader of the KRaft quorum. Absent without the permission to ask, or if the cluster does not support the request.",
);

pub static METADATA: Family<1> = family(
    "heartbeat_metadata_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster"],
    "Time from sending a metadata request until its complete answer. Requests without an answer are not counted.",
);

pub static CLUSTER_INFO: Family<2> = family(
    "heartbeat_cluster_info",
    Kind::Info,
    &["kafka_cluster", "cluster_id"],
    "Cluster id as Kafka reports it; the value is always 1. Absent while the metadata is not known.",
);

pub static TOPIC_READY: Family<1> = family(
    "heartbeat_topic_ready",
    Kind::Gauge,
    &["kafka_cluster"],
    "1 if the heartbeat topic exists and has partitions, else 0. Absent while the state of the topic is not known.",
);

pub static TOPIC_PENDING: Family<2> = family(
    "heartbeat_topic_pending_actions",
    Kind::Gauge,
    &["kafka_cluster", "action"],
    "Actions that the heartbeat topic still needs, by kind of action. Absent while the state of the topic is not known; configure also while the topic's settings may not be read.",
);

pub static TOPIC_BLOCKED: Family<2> = family(
    "heartbeat_topic_blocked",
    Kind::Gauge,
    &["kafka_cluster", "reason"],
    "1 for each reason for which the service does not change the heartbeat topic although it is needed, else 0. Absent while not known; reassigning also while reassignments may not be listed.",
);

pub static TOPIC_UNCOVERED: Family<1> = family(
    "heartbeat_topic_uncovered_brokers",
    Kind::Gauge,
    &["kafka_cluster"],
    "Number of brokers that lead no partition of the heartbeat topic. Absent while the state of the topic is not known.",
);

pub static CAPABILITY: Family<3> = family(
    "heartbeat_capability",
    Kind::Gauge,
    &["kafka_cluster", "api", "state"],
    "1 for the current state of a request that needs a permission: ok, denied, unsupported or unknown. The state is also unknown where Kafka may hide topics or groups without an error.",
);

/// Every family, in the order in which they are served.
pub fn all() -> impl Iterator<Item = &'static Description> {
    ALL.into_iter()
        .chain(process::ALL)
        .chain(collect::ALL)
        .chain(judge::ALL)
        .chain(log_dirs::ALL)
        .chain(transactions::ALL)
        .chain(compat::ALL)
}

static ALL: [&Description; 49] = [
    &SCHEDULED.description,
    &OUTCOMES.description,
    &ANOMALIES.description,
    &IN_FLIGHT.description,
    &SLO_EVENTS.description,
    &SLO_BAD_EVENTS.description,
    &SLO_UNACKNOWLEDGED_EVENTS.description,
    &PRODUCE.description,
    &END_TO_END.description,
    &DELIVERY.description,
    &STARTUP.description,
    &CLIENT_RENEWALS.description,
    &SCHEDULE_DELAY.description,
    &LAST_SUCCESS.description,
    &PARTITION_LEADER.description,
    &PROBER_HEALTHY.description,
    &PRODUCE_ERRORS.description,
    &FETCH_ERRORS.description,
    &THROTTLE.description,
    &BROKER_UP.description,
    &BROKER_CHECKS.description,
    &BROKER_CHECK_FAILURES.description,
    &BROKER_CONNECT.description,
    &CERTIFICATE_EXPIRY.description,
    &BROKER_INFO.description,
    &BROKERS.description,
    &TOPICS.description,
    &PARTITIONS.description,
    &QUORUM_LEADER.description,
    &QUORUM_EPOCH.description,
    &METADATA.description,
    &CLUSTER_INFO.description,
    &TOPIC_READY.description,
    &TOPIC_PENDING.description,
    &TOPIC_BLOCKED.description,
    &TOPIC_UNCOVERED.description,
    &CAPABILITY.description,
    &REQUESTS.description,
    &VIOLATIONS.description,
    &REQUEST_THROTTLE.description,
    &CYCLES.description,
    &CYCLE_FAULTS.description,
    &CYCLE_DURATION.description,
    &CYCLE_INTERVAL.description,
    &CYCLE_SNAPSHOT.description,
    &TASK_POLLS.description,
    &TASK_SLOW_POLLS.description,
    &TASK_BUSY.description,
    &LEDGER_TICK.description,
];
