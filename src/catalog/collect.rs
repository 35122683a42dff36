//! Families of real topics and groups. Names that other exporters have are kept, with their labels.

use super::{Family, Kind, family::family};

families! {
    pub static LATEST_OFFSET: Family<3> = family(
        "kafka_partition_latest_offset",
        Kind::Gauge,
        &["cluster_name", "topic", "partition"],
        "High watermark of the partition: the offset after the last record that is replicated to all in-sync replicas.",
    );

    pub static STABLE_OFFSET: Family<3> = family(
        "kafka_partition_last_stable_offset",
        Kind::Gauge,
        &["cluster_name", "topic", "partition"],
        "Last stable offset: first offset of an open transaction, else the high watermark. Lag is counted up to it with [lag] isolation = read_committed. Absent with read_uncommitted.",
    );

    pub static EARLIEST_LOCAL_OFFSET: Family<3> = family(
        "kafka_partition_earliest_local_offset",
        Kind::Gauge,
        &["cluster_name", "topic", "partition"],
        "First offset that the leader has on its own disk; earlier records are in remote storage alone. Absent before Kafka 3.6, and unless remote.storage.enable is true for the topic.",
    );

    pub static LATEST_TIERED_OFFSET: Family<3> = family(
        "kafka_partition_latest_tiered_offset",
        Kind::Gauge,
        &["cluster_name", "topic", "partition"],
        "Last offset that was copied to remote storage. Absent while none was, before Kafka 3.9, and unless remote.storage.enable is true for the topic.",
    );

    pub static EARLIEST_OFFSET: Family<3> = family(
        "kafka_partition_earliest_offset",
        Kind::Gauge,
        &["cluster_name", "topic", "partition"],
        "Log start offset of the partition: the first offset that can be read.",
    );

    pub static GROUP_OFFSET: Family<4> = family(
        "kafka_consumergroup_group_offset",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition"],
        "Committed offset of the group on the partition: the next offset that the group will read. Absent if the group has committed nothing.",
    );

    pub static GROUP_LAG: Family<4> = family(
        "kafka_consumergroup_group_lag",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition"],
        "Lag in records: log end offset minus committed offset. Absent if the log end offset is not known, or if the committed offset is beyond the log end.",
    );

    pub static GROUP_LAG_SECONDS: Family<4> = family(
        "kafka_consumergroup_group_lag_seconds",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition"],
        "Time lag: age of the next record that the group will read, in seconds; 0 if no record is left to read. Absent if the age is not known.",
    );

    pub static GROUP_LAG_ERROR: Family<5> = family(
        "kafka_consumergroup_lag_seconds_error",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition", "method"],
        "Largest possible error of kafka_consumergroup_group_lag_seconds in seconds, by method. With method clamped, +Inf: the time lag is a lower bound. Absent if no record is left to read.",
    );

    pub static GROUP_LOST: Family<4> = family(
        "kafka_consumergroup_group_messages_lost",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition"],
        "Records that were deleted before the group read them: log start offset minus committed offset, or 0. Absent if the log start offset is not known.",
    );

    pub static GROUP_TOPIC_LOST: Family<3> = family(
        "kafka_consumergroup_data_lost_offsets_total",
        Kind::Counter,
        &["cluster_name", "group", "topic"],
        "Records that were deleted before the group read them, counted since the service watches the group.",
    );

    pub static GROUP_MARGIN: Family<4> = family(
        "kafka_consumergroup_group_retention_margin",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition"],
        "Committed offset minus log start offset, in records. Negative if records were deleted before the group read them.",
    );

    pub static GROUP_RATIO: Family<4> = family(
        "kafka_consumergroup_group_lag_retention_ratio",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition"],
        "Percentage of the records in the log that the group has not read yet. Above 100 if records were deleted before the group read them. Absent for an empty log.",
    );

    pub static GROUP_RESET: Family<4> = family(
        "kafka_consumergroup_reset",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition"],
        "1 if the committed offset was beyond the log end in two collection cycles in a row: the log was truncated or recreated. Absent otherwise.",
    );

    pub static GROUP_TOPIC_SUM: Family<3> = family(
        "kafka_consumergroup_group_topic_sum_lag",
        Kind::Gauge,
        &["cluster_name", "group", "topic"],
        "Lag of the group on the topic, summed over partitions, in records. Absent while the lag of a partition is not known, unless [lag] partial_sums is true.",
    );

    pub static GROUP_TOPIC_MAX_SECONDS: Family<3> = family(
        "kafka_consumergroup_group_topic_max_lag_seconds",
        Kind::Gauge,
        &["cluster_name", "group", "topic"],
        "Largest time lag of the group on a partition of the topic, in seconds. Absent while the time lag of a partition is not known, unless [lag] partial_sums is true.",
    );

    pub static GROUP_SUM: Family<2> = family(
        "kafka_consumergroup_group_sum_lag",
        Kind::Gauge,
        &["cluster_name", "group"],
        "Lag of the group, summed over all its partitions, in records. Absent while the lag of a partition is not known, unless [lag] partial_sums is true.",
    );

    pub static GROUP_MAX: Family<2> = family(
        "kafka_consumergroup_group_max_lag",
        Kind::Gauge,
        &["cluster_name", "group"],
        "Largest lag of the group on one partition, in records. Absent while the lag of a partition is not known, unless [lag] partial_sums is true.",
    );

    pub static GROUP_MAX_SECONDS: Family<2> = family(
        "kafka_consumergroup_group_max_lag_seconds",
        Kind::Gauge,
        &["cluster_name", "group"],
        "Largest time lag of the group on one partition, in seconds. Absent while the time lag of a partition is not known, unless [lag] partial_sums is true.",
    );

    pub static GROUP_STATE: Family<4> = family(
        "kafka_consumergroup_group_state",
        Kind::Gauge,
        &["cluster_name", "group", "state", "type"],
        "1 for the group's current state: stable, rebalancing, empty, dead, missing (named in [lag] groups, but unknown to Kafka) or unknown.",
    );

    pub static GROUP_REBALANCES: Family<2> = family(
        "kafka_consumergroup_rebalances_total",
        Kind::Counter,
        &["cluster_name", "group"],
        "Rebalances of the group that were seen. With [lag] members = true none is missed, except of a classic group whose members stay the same.",
    );

    pub static GROUP_REBALANCING: Family<2> = family(
        "kafka_consumergroup_rebalancing_seconds_total",
        Kind::Counter,
        &["cluster_name", "group"],
        "Time for which the group was rebalancing: the times between two collection cycles that both met a rebalance.",
    );

    pub static GROUP_REBALANCE_AGE: Family<2> = family(
        "kafka_consumergroup_rebalance_age_seconds",
        Kind::Gauge,
        &["cluster_name", "group"],
        "For how long the group has been rebalancing; 0 if it is not rebalancing. Absent while the state of the group is not known.",
    );

    pub static GROUP_MEMBER_CHANGES: Family<3> = family(
        "kafka_consumergroup_member_changes_total",
        Kind::Counter,
        &["cluster_name", "group", "change"],
        "Members that joined or left the group between two collection cycles. Exposed only with [lag] members = true.",
    );

    pub static MEMBER_INFO: Family<7> = family(
        "kafka_consumergroup_member_info",
        Kind::Info,
        &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
        "Group member that the partition is assigned to; the value is always 1. Exposed only with [lag] members = true.",
    );

    pub static GROUP_UNKNOWN: Family<2> = family(
        "kafka_consumergroup_partitions_unknown",
        Kind::Gauge,
        &["cluster_name", "group"],
        "Number of partitions whose lag is not known: offsets cannot be read, or the committed offset is beyond the log end. Without a coordinator these are all partitions of the group.",
    );

    pub static POLL_MS: Family<1> = family(
        "kafka_consumergroup_poll_time_ms",
        Kind::Gauge,
        &["cluster_name"],
        "Duration of the last collection cycle of topics and groups, in milliseconds.",
    );

    pub static EXPORTER_UP: Family<1> = family(
        "kafka_lag_exporter_up",
        Kind::Gauge,
        &["cluster_name"],
        "1 if the last successful collection cycle of groups is not older than three intervals, else 0.",
    );

    pub static EXPORTER_UPDATE: Family<1> = family(
        "kafka_lag_exporter_last_update_timestamp_seconds",
        Kind::Gauge,
        &["cluster_name"],
        "Unix time at which a collection cycle of topics and groups last succeeded. Absent before the first success.",
    );

    pub static EXPORTER_DURATION: Family<1> = family(
        "kafka_lag_exporter_scrape_duration_seconds",
        Kind::Gauge,
        &["cluster_name"],
        "Duration of the last collection cycle of topics and groups.",
    );

    pub static EXPORTER_COMPACTED: Family<1> = family(
        "kafka_lag_exporter_compaction_detected_total",
        Kind::Gauge,
        &["cluster_name"],
        "Committed offsets on partitions of compacted topics, where an offset may have no record. A gauge in spite of its name, which is the name in klag-exporter.",
    );

    pub static EXPORTER_LOST: Family<1> = family(
        "kafka_lag_exporter_data_loss_partitions_total",
        Kind::Gauge,
        &["cluster_name"],
        "Committed offsets below the log start offset: records were deleted before a group read them. A gauge in spite of its name, which is the name in klag-exporter.",
    );

    pub static COLLECT_ERRORS: Family<3> = family(
        "heartbeat_collect_errors_total",
        Kind::Counter,
        &["kafka_cluster", "api", "fault"],
        "Partitions, groups, topics and brokers that could not be queried, by request and fault.",
    );

    pub static FILTERED: Family<2> = family(
        "heartbeat_filtered_names",
        Kind::Gauge,
        &["kafka_cluster", "filter"],
        "Number of consumer groups or topics that Kafka lists and the configuration leaves out, by filter: lag.groups, lag.topics, freshness.topics. Absent without a listing.",
    );

    pub static HISTORY_OPENED: Family<1> = family(
        "heartbeat_history_opened",
        Kind::Gauge,
        &["kafka_cluster"],
        "1 if the history file was opened and read when the service started. With 0, nothing is saved until a restart. Absent without [history] path.",
    );

    pub static HISTORY_WRITTEN: Family<1> = family(
        "heartbeat_history_last_write_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster"],
        "Unix time at which the history file was last opened or written; a write is due every minute or collection cycle. Absent without [history] path, and if the file could not be opened.",
    );

    pub static HISTORY_FAILURES: Family<2> = family(
        "heartbeat_history_write_failures_total",
        Kind::Counter,
        &["kafka_cluster", "kind"],
        "Failed writes of the history file, by kind. With kind replaced, the file was removed or replaced while the service ran, and a new file was created. Absent without [history] path.",
    );

    pub static SERIES_DROPPED: Family<1> = family(
        "heartbeat_series_dropped",
        Kind::Gauge,
        &["kafka_cluster"],
        "Series of groups by topic, of partitions and of compatibility names that are not exposed because of [lag] max.series.",
    );

    pub static LAST_EVENT: Family<2> = family(
        "topic_last_event_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Newest record timestamp of the topic that is at most one minute in the future, as Unix time. Absent without such a record. In state error, partitions that failed are not included.",
    );

    pub static OLDEST_PARTITION_EVENT: Family<2> = family(
        "topic_oldest_partition_event_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Smallest of the newest record timestamps of the topic's partitions, as Unix time. Partitions without records are not included.",
    );

    pub static LAST_APPEND: Family<2> = family(
        "topic_last_append_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Unix time at which the service last saw a log end offset of the topic grow, independent of record timestamps. Absent until the first growth.",
    );

    pub static FRESHNESS_STATE: Family<3> = family(
        "topic_freshness_state",
        Kind::Gauge,
        &["kafka_cluster", "topic", "state"],
        "1 for the topic's current state: ok, empty, drained, future, unknown or error.",
    );

    pub static FUTURE_TIMESTAMPS: Family<2> = family(
        "topic_future_timestamps_total",
        Kind::Counter,
        &["kafka_cluster", "topic"],
        "Newest record timestamps that were more than a minute in the future when first seen. Such a timestamp is ignored in the age of the topic until the time is reached.",
    );

    pub static FRESHNESS_UP: Family<1> = family(
        "topic_metric_exporter_up",
        Kind::Gauge,
        &["kafka_cluster"],
        "1 if the last collection cycle had no error for any watched topic, else 0.",
    );

    pub static TOPIC_APPENDED: Family<2> = family(
        "kafka_topic_message_count_total",
        Kind::Counter,
        &["kafka_cluster", "topic"],
        "Records appended to the topic since the service watches it, counted from the growth of log end offsets.",
    );

    pub static PARTITION_COUNT: Family<2> = family(
        "kafka_topic_partition_count",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Number of partitions of the topic.",
    );

    pub static OFFLINE: Family<2> = family(
        "kafka_offline_partitions",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Number of partitions of the topic without a leader. No client can write to such a partition or read from it.",
    );

    pub static UNDER_REPLICATED: Family<2> = family(
        "kafka_under_replicated_partitions",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Number of partitions of the topic that have fewer in-sync replicas than replicas.",
    );

    pub static REASSIGNING: Family<2> = family(
        "kafka_under_replicated_reassigning_partitions",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Number of under-replicated partitions of the topic that are being moved to other brokers, which is expected. Absent without the permission to list reassignments.",
    );

    pub static UNDER_MIN_ISR: Family<2> = family(
        "kafka_under_min_isr_partitions",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Number of partitions of the topic that have fewer in-sync replicas than min.insync.replicas and refuse writes with acks=all. Absent while the setting is not known.",
    );

    pub static IMBALANCE: Family<2> = family(
        "kafka_preferred_leader_imbalance",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Number of partitions of the topic whose leader is not the preferred replica.",
    );

    pub static CHANGES: Family<2> = family(
        "kafka_cluster_changes_total",
        Kind::Counter,
        &["kafka_cluster", "kind"],
        "Changes of topics and brokers since the first collection cycle, by kind.",
    );
}
