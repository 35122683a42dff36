//! Every family: name, kind, labels, help. Nothing else.
//!
//! Names are a contract with dashboards and alerts. A name in an alert is found here with a text search.

#![expect(missing_docs, reason = "every family's help says it")]

pub mod collect;
pub mod compat;
pub mod judge;
pub mod log_dirs;
pub mod process;
pub mod transactions;

use super::{Description, Family, Kind, family};

pub static SCHEDULED: Family<2> = family(
    "heartbeat_scheduled_total",
    Kind::Counter,
    &["kafka_cluster", "partition"],
    "Heartbeats whose slot came. Always equal to the sum of outcomes and in flight.",
);

pub static OUTCOMES: Family<4> = family(
    "heartbeat_outcomes_total",
    Kind::Counter,
    &["kafka_cluster", "partition", "broker", "outcome"],
    "Heartbeats that ended, by outcome; broker is the leader when it was sent, unknown if there was none.",
);

pub static ANOMALIES: Family<3> = family(
    "heartbeat_anomalies_total",
    Kind::Counter,
    &["kafka_cluster", "partition", "kind"],
    "Records that are counted and never judged: duplicate, out_of_order, corrupt, foreign, stale_epoch, after_horizon, same_name.",
);

pub static IN_FLIGHT: Family<2> = family(
    "heartbeat_in_flight",
    Kind::Gauge,
    &["kafka_cluster", "partition"],
    "Heartbeats without an outcome yet.",
);

pub static SLO_EVENTS: Family<1> = family(
    "heartbeat_slo_events_total",
    Kind::Counter,
    &["kafka_cluster"],
    "Heartbeats judged, at the latest at the deadline. The denominator of an availability objective.",
);

pub static SLO_BAD_EVENTS: Family<1> = family(
    "heartbeat_slo_bad_events_total",
    Kind::Counter,
    &["kafka_cluster"],
    "Heartbeats judged bad. Moves together with heartbeat_slo_events_total.",
);

pub static SLO_UNACKNOWLEDGED_EVENTS: Family<1> = family(
    "heartbeat_slo_unacknowledged_events_total",
    Kind::Counter,
    &["kafka_cluster"],
    "Of the heartbeats judged bad, those without an acknowledgement by the deadline.",
);

pub static PRODUCE: Family<3> = family(
    "heartbeat_produce_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition", "broker"],
    "Acknowledged minus intended instant; not acknowledged by the deadline counts just above it. One value for each heartbeat handed over and judged.",
);

pub static END_TO_END: Family<3> = family(
    "heartbeat_end_to_end_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition", "broker"],
    "Received minus intended instant; not received by the deadline counts just above it. One value for each heartbeat judged.",
);

pub static DELIVERY: Family<3> = family(
    "heartbeat_delivery_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition", "broker"],
    "Received minus sent instant, of heartbeats that were received.",
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
    "Heartbeat clients of librdkafka that were replaced: after a fatal error of librdkafka (fatal_error), or because the heartbeat topic was created again (topic_recreated).",
);

pub static SCHEDULE_DELAY: Family<1> = family(
    "heartbeat_schedule_delay_seconds",
    Kind::Histogram,
    &["kafka_cluster"],
    "Sent minus intended instant: our own lateness.",
);

pub static LAST_SUCCESS: Family<2> = family(
    "heartbeat_last_success_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "partition"],
    "When a heartbeat last ended ok. Absent before the first.",
);

pub static PARTITION_LEADER: Family<4> = family(
    "heartbeat_partition_leader_info",
    Kind::Info,
    &["kafka_cluster", "partition", "broker", "rack"],
    "The leader of a heartbeat partition. Absent while there is none or it is not known; rack is empty where none is set.",
);

pub static PROBER_HEALTHY: Family<1> = family(
    "heartbeat_prober_healthy",
    Kind::Gauge,
    &["kafka_cluster"],
    "0 for half a minute after this process was stalled or had no file descriptor left: its numbers say little of Kafka then.",
);

pub static PRODUCE_ERRORS: Family<2> = family(
    "heartbeat_produce_errors_total",
    Kind::Counter,
    &["kafka_cluster", "fault"],
    "Hand-overs refused by the client and deliveries that failed, by fault.",
);

pub static FETCH_ERRORS: Family<2> = family(
    "heartbeat_fetch_errors_total",
    Kind::Counter,
    &["kafka_cluster", "fault"],
    "Complaints of the consumer: heartbeats that cannot be read back, by fault.",
);

pub static THROTTLE: Family<2> = family(
    "heartbeat_throttle_seconds",
    Kind::Histogram,
    &["kafka_cluster", "api"],
    "The longest throttling a broker asked of us within 15 s, for each such interval with one.",
);

pub static BROKER_UP: Family<2> = family(
    "heartbeat_broker_up",
    Kind::Gauge,
    &["kafka_cluster", "broker"],
    "1 if the last fresh session to the broker could be opened. A broker that left the metadata is absent.",
);

pub static BROKER_CHECKS: Family<2> = family(
    "heartbeat_broker_checks_total",
    Kind::Counter,
    &["kafka_cluster", "broker"],
    "Fresh sessions tried.",
);

pub static BROKER_CHECK_FAILURES: Family<4> = family(
    "heartbeat_broker_check_failures_total",
    Kind::Counter,
    &["kafka_cluster", "broker", "stage", "fault"],
    "Fresh sessions that failed, by stage and fault. Usual combinations are there from the start, others once they were seen.",
);

pub static BROKER_CONNECT: Family<3> = family(
    "heartbeat_broker_connect_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster", "broker", "stage"],
    "How long each completed stage of a fresh session took; total is of successful sessions.",
);

pub static CERTIFICATE_EXPIRY: Family<2> = family(
    "heartbeat_broker_certificate_expiry_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "broker"],
    "The earliest expiry in the broker's certificate chain. Absent without TLS.",
);

pub static BROKER_INFO: Family<5> = family(
    "heartbeat_broker_info",
    Kind::Info,
    &["kafka_cluster", "broker", "host", "port", "rack"],
    "Where the broker says it listens; rack is empty where none is set.",
);

pub static BROKERS: Family<1> = family(
    "heartbeat_brokers",
    Kind::Gauge,
    &["kafka_cluster"],
    "Brokers in the metadata. Absent while the metadata is not known.",
);

pub static TOPICS: Family<1> = family(
    "heartbeat_topics",
    Kind::Gauge,
    &["kafka_cluster"],
    "Topics in the metadata, as far as we may see them. Absent while it is not known.",
);

pub static PARTITIONS: Family<1> = family(
    "heartbeat_partitions",
    Kind::Gauge,
    &["kafka_cluster"],
    "Partitions of these topics. Absent while the metadata is not known.",
);

pub static QUORUM_LEADER: Family<2> = family(
    "heartbeat_quorum_leader_info",
    Kind::Info,
    &["kafka_cluster", "broker"],
    "The leader of the KRaft quorum. Absent where it may not be asked for, or is unsupported.",
);

pub static QUORUM_EPOCH: Family<1> = family(
    "heartbeat_quorum_epoch",
    Kind::Gauge,
    &["kafka_cluster"],
    "The epoch of the KRaft quorum. Absent where it may not be asked for, or is unsupported.",
);

pub static METADATA: Family<1> = family(
    "heartbeat_metadata_duration_seconds",
    Kind::Histogram,
    &["kafka_cluster"],
    "From asking for the metadata to the whole answer, of answered requests.",
);

pub static CLUSTER_INFO: Family<2> = family(
    "heartbeat_cluster_info",
    Kind::Info,
    &["kafka_cluster", "cluster_id"],
    "Kafka's own id of the cluster. Absent while the metadata is not known.",
);

pub static TOPIC_READY: Family<1> = family(
    "heartbeat_topic_ready",
    Kind::Gauge,
    &["kafka_cluster"],
    "1 if the heartbeat topic exists with partitions. Absent while it is not known.",
);

pub static TOPIC_PENDING: Family<2> = family(
    "heartbeat_topic_pending_actions",
    Kind::Gauge,
    &["kafka_cluster", "action"],
    "What the heartbeat topic lacks, by kind of action. Absent while it is not known.",
);

pub static TOPIC_BLOCKED: Family<2> = family(
    "heartbeat_topic_blocked",
    Kind::Gauge,
    &["kafka_cluster", "reason"],
    "1 for each reason why nothing is done about it. Absent while it is not known.",
);

pub static TOPIC_UNCOVERED: Family<1> = family(
    "heartbeat_topic_uncovered_brokers",
    Kind::Gauge,
    &["kafka_cluster"],
    "Brokers that lead no heartbeat partition. Absent while it is not known.",
);

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
    "Questions sent to brokers by everything but the heartbeats themselves.",
);

pub static VIOLATIONS: Family<1> = family(
    "heartbeat_protocol_violations_total",
    Kind::Counter,
    &["kafka_cluster"],
    "Connections closed because the peer sent what is not Kafka's protocol, or too much of it.",
);

pub static REQUEST_THROTTLE: Family<2> = family(
    "heartbeat_request_throttle_seconds_total",
    Kind::Counter,
    &["kafka_cluster", "api"],
    "Time for which brokers throttled the service's own connections because of a quota, without those of the heartbeats, by Kafka's name of the request. Absent until a request is throttled.",
);

pub static CYCLES: Family<3> = family(
    "heartbeat_cycles_total",
    Kind::Counter,
    &["kafka_cluster", "task", "ending"],
    "Cycles of each periodic task, by how they ended.",
);

pub static CYCLE_FAULTS: Family<3> = family(
    "heartbeat_cycle_faults_total",
    Kind::Counter,
    &["kafka_cluster", "task", "fault"],
    "Cycles that failed, by fault.",
);

pub static CYCLE_DURATION: Family<2> = family(
    "heartbeat_cycle_duration_seconds",
    Kind::Gauge,
    &["kafka_cluster", "task"],
    "How long the last cycle took, however it ended. Absent before the first.",
);

pub static CYCLE_INTERVAL: Family<2> = family(
    "heartbeat_cycle_interval_seconds",
    Kind::Gauge,
    &["kafka_cluster", "task"],
    "How far apart cycles of the task are due. Absent before the first.",
);

pub static CYCLE_SNAPSHOT: Family<2> = family(
    "heartbeat_cycle_last_success_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "task"],
    "When a cycle last ended ok. Absent before the first.",
);

pub static TASK_POLLS: Family<2> = family(
    "heartbeat_task_polls_total",
    Kind::Counter,
    &["kafka_cluster", "task"],
    "Turns that the task's cycles had on an async worker.",
);

pub static TASK_SLOW_POLLS: Family<2> = family(
    "heartbeat_task_slow_polls_total",
    Kind::Counter,
    &["kafka_cluster", "task"],
    "Of these, the ones of 50 microseconds and more: others wait meanwhile.",
);

pub static TASK_BUSY: Family<2> = family(
    "heartbeat_task_busy_seconds_total",
    Kind::Counter,
    &["kafka_cluster", "task"],
    "Time of all these turns together.",
);

pub static LEDGER_TICK: Family<1> = family(
    "heartbeat_ledger_last_tick_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster"],
    "When the ledger last wrote. Stands still if its thread hangs.",
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
