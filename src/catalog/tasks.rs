//! Families of the periodic tasks: their cycles and the time that they take on the service's workers.

use super::{Family, Kind, family::family};

families! {
    pub static CYCLES: Family<3> = family(
        "heartbeat_cycles_total",
        Kind::Counter,
        &["kafka_cluster", "task", "ending"],
        "Completed cycles of each periodic task, by how the cycle ended.",
    );

    pub static CYCLE_FAULTS: Family<3> = family(
        "heartbeat_cycle_faults_total",
        Kind::Counter,
        &["kafka_cluster", "task", "fault"],
        "Failed cycles of each periodic task, by fault.",
    );

    pub static CYCLE_DURATION: Family<2> = family(
        "heartbeat_cycle_duration_seconds",
        Kind::Gauge,
        &["kafka_cluster", "task"],
        "Duration of the last cycle of a periodic task, whether it succeeded or failed. Absent before the first cycle ends.",
    );

    pub static CYCLE_INTERVAL: Family<2> = family(
        "heartbeat_cycle_interval_seconds",
        Kind::Gauge,
        &["kafka_cluster", "task"],
        "Configured time between the starts of two cycles of a periodic task. Absent before the first cycle.",
    );

    pub static CYCLE_SNAPSHOT: Family<2> = family(
        "heartbeat_cycle_last_success_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "task"],
        "Unix time at which a cycle of a periodic task last succeeded. Absent before the first success.",
    );

    pub static TASK_POLLS: Family<2> = family(
        "heartbeat_task_polls_total",
        Kind::Counter,
        &["kafka_cluster", "task"],
        "Polls of the task's future by the asynchronous runtime while a cycle runs.",
    );

    pub static TASK_SLOW_POLLS: Family<2> = family(
        "heartbeat_task_slow_polls_total",
        Kind::Counter,
        &["kafka_cluster", "task"],
        "Polls of the task's future that took 50 microseconds or longer; other tasks on the same worker wait meanwhile.",
    );

    pub static TASK_BUSY: Family<2> = family(
        "heartbeat_task_busy_seconds_total",
        Kind::Counter,
        &["kafka_cluster", "task"],
        "Time that the asynchronous runtime spent in all polls of the task's future.",
    );

    pub static LEADER: Family<1> = family(
        "heartbeat_leader",
        Kind::Gauge,
        &["kafka_cluster"],
        "1 if this instance collects the groups and topics of the cluster, 0 if it leaves that to another instance. Without an election each instance collects.",
    );

    pub static LEADERLESS: Family<1> = family(
        "heartbeat_leaderless",
        Kind::Gauge,
        &["kafka_cluster"],
        "1 if the instances could not find a leader for a minute, so that this one collects and others may do so too, otherwise 0.",
    );

    pub static LEDGER_TICK: Family<1> = family(
        "heartbeat_ledger_last_tick_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster"],
        "Unix time at which the thread that judges heartbeats last published. The value stops if the thread hangs.",
    );
}
