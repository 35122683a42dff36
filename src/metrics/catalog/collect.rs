//! Families of real topics and groups. Names that other exporters have are kept, with their labels.

use crate::metrics::{Description, Family, Kind, family};

pub static LATEST_OFFSET: Family<3> = family(
    "kafka_partition_latest_offset",
    Kind::Gauge,
    &["cluster_name", "topic", "partition"],
    "The offset of the next record: the high watermark.",
);

pub static STABLE_OFFSET: Family<3> = family(
    "kafka_partition_last_stable_offset",
    Kind::Gauge,
    &["cluster_name", "topic", "partition"],
    "The end to which lag is counted with [lag] isolation = read_committed: the first record of a transaction that is open, or the high watermark. Absent otherwise.",
);

pub static EARLIEST_OFFSET: Family<3> = family(
    "kafka_partition_earliest_offset",
    Kind::Gauge,
    &["cluster_name", "topic", "partition"],
    "The first offset that can be read.",
);

pub static GROUP_OFFSET: Family<4> = family(
    "kafka_consumergroup_group_offset",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition"],
    "The committed offset. Absent where nothing was committed.",
);

pub static GROUP_LAG: Family<4> = family(
    "kafka_consumergroup_group_lag",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition"],
    "Records between the committed offset and the end. Absent where the end is not known, and for a commit behind it.",
);

pub static GROUP_LAG_SECONDS: Family<4> = family(
    "kafka_consumergroup_group_lag_seconds",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition"],
    "Age of the next record to be read, 0 if there is none. Absent where it is not known.",
);

pub static GROUP_LAG_ERROR: Family<5> = family(
    "kafka_consumergroup_lag_seconds_error",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition", "method"],
    "The true age is at most so far from kafka_consumergroup_group_lag_seconds, by the method of finding it; +Inf for clamped, which is at least so old. Absent where there is nothing to read.",
);

pub static GROUP_LOST: Family<4> = family(
    "kafka_consumergroup_group_messages_lost",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition"],
    "Records that were deleted before the group read them: the log begins so far after the committed offset.",
);

pub static GROUP_TOPIC_LOST: Family<3> = family(
    "kafka_consumergroup_data_lost_offsets_total",
    Kind::Counter,
    &["cluster_name", "group", "topic"],
    "Records that were deleted before the group read them, since the group is watched: by so much the starts of logs passed its commits.",
);

pub static GROUP_MARGIN: Family<4> = family(
    "kafka_consumergroup_group_retention_margin",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition"],
    "Records between the log's start and the committed offset. Negative if records were lost.",
);

pub static GROUP_RATIO: Family<4> = family(
    "kafka_consumergroup_group_lag_retention_ratio",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition"],
    "Percent of the log that the group has not read yet; above 100 if records were lost. Absent for an empty log.",
);

pub static GROUP_RESET: Family<4> = family(
    "kafka_consumergroup_reset",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition"],
    "1 for a committed offset that has been behind the end of its log for two looks: the log was cut or made anew. Absent otherwise.",
);

pub static GROUP_TOPIC_SUM: Family<3> = family(
    "kafka_consumergroup_group_topic_sum_lag",
    Kind::Gauge,
    &["cluster_name", "group", "topic"],
    "Records that the group has not read of the topic yet. Absent as the group's sum is.",
);

pub static GROUP_TOPIC_MAX_SECONDS: Family<3> = family(
    "kafka_consumergroup_group_topic_max_lag_seconds",
    Kind::Gauge,
    &["cluster_name", "group", "topic"],
    "The largest time lag of the topic's partitions. Absent as the group's is.",
);

pub static GROUP_SUM: Family<2> = family(
    "kafka_consumergroup_group_sum_lag",
    Kind::Gauge,
    &["cluster_name", "group"],
    "Records that the group has not read yet. Absent while a part is not known, unless [lag] partial_sums is true.",
);

pub static GROUP_MAX: Family<2> = family(
    "kafka_consumergroup_group_max_lag",
    Kind::Gauge,
    &["cluster_name", "group"],
    "The largest lag of the group's partitions, in records. Absent as the sum is.",
);

pub static GROUP_MAX_SECONDS: Family<2> = family(
    "kafka_consumergroup_group_max_lag_seconds",
    Kind::Gauge,
    &["cluster_name", "group"],
    "The largest time lag of the group's partitions. Absent as the sum is, and while the age of one is not known.",
);

pub static GROUP_STATE: Family<4> = family(
    "kafka_consumergroup_group_state",
    Kind::Gauge,
    &["cluster_name", "group", "state", "type"],
    "1 for the group's current state: stable, rebalancing, empty, dead, missing (it is named in [lag] groups, and Kafka does not know it) or unknown.",
);

pub static MEMBER_INFO: Family<7> = family(
    "kafka_consumergroup_member_info",
    Kind::Info,
    &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
    "1 for the member that reads a partition. Only with [lag] members = true.",
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
    "How long the last look at topics and groups took, in milliseconds.",
);

pub static EXPORTER_UP: Family<1> = family(
    "kafka_lag_exporter_up",
    Kind::Gauge,
    &["cluster_name"],
    "1 while the last look at groups is not older than three intervals, else 0.",
);

pub static EXPORTER_UPDATE: Family<1> = family(
    "kafka_lag_exporter_last_update_timestamp_seconds",
    Kind::Gauge,
    &["cluster_name"],
    "When the last look at topics and groups succeeded. Absent until one did.",
);

pub static EXPORTER_DURATION: Family<1> = family(
    "kafka_lag_exporter_scrape_duration_seconds",
    Kind::Gauge,
    &["cluster_name"],
    "How long the last look at topics and groups took.",
);

pub static EXPORTER_COMPACTED: Family<1> = family(
    "kafka_lag_exporter_compaction_detected_total",
    Kind::Gauge,
    &["cluster_name"],
    "Commits on partitions of compacted topics, where offsets may be without a record. A gauge in spite of its name, which is klag-exporter's.",
);

pub static EXPORTER_LOST: Family<1> = family(
    "kafka_lag_exporter_data_loss_partitions_total",
    Kind::Gauge,
    &["cluster_name"],
    "Commits before the start of their log: records were deleted unread. A gauge in spite of its name, which is klag-exporter's.",
);

pub static COLLECT_ERRORS: Family<3> = family(
    "heartbeat_collect_errors_total",
    Kind::Counter,
    &["kafka_cluster", "api", "fault"],
    "Partitions, groups, topics and brokers that could not be asked, by request and fault.",
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
    "1 if the history file was opened and read when the service started, 0 if not: then nothing is saved until a restart. Absent without [history] path.",
);

pub static HISTORY_WRITTEN: Family<1> = family(
    "heartbeat_history_last_write_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster"],
    "When the history file was last opened or written. It is written about once a minute, or in each collection cycle if that is longer. Absent without [history] path, and if the file could not be opened.",
);

pub static HISTORY_FAILURES: Family<2> = family(
    "heartbeat_history_write_failures_total",
    Kind::Counter,
    &["kafka_cluster", "kind"],
    "Failures to write the history file, by kind; replaced: the file was removed or replaced while the service ran, and was made anew. Absent without [history] path.",
);

pub static SERIES_DROPPED: Family<1> = family(
    "heartbeat_series_dropped",
    Kind::Gauge,
    &["kafka_cluster"],
    "Series of groups by topic and of partitions, and under older names, that are left out because of [lag] max.series.",
);

pub static LAST_EVENT: Family<2> = family(
    "topic_last_event_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "The newest timestamp of a record of the topic that does not lie more than a minute in the future. Absent without such records; while the state is error, of what could be asked.",
);

pub static OLDEST_PARTITION_EVENT: Family<2> = family(
    "topic_oldest_partition_event_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "The newest timestamp of the partition that has been silent for longest, of those that hold records.",
);

pub static LAST_APPEND: Family<2> = family(
    "topic_last_append_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "When our own samples last saw an end of the topic move, whatever the records' timestamps say. Absent until they did.",
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
    "Newest timestamps that lay more than a minute in the future when they were seen. They do not count as the topic's age until their time has come.",
);

pub static FRESHNESS_UP: Family<1> = family(
    "topic_metric_exporter_up",
    Kind::Gauge,
    &["kafka_cluster"],
    "1 if the last look had no error for any watched topic, else 0.",
);

pub static TOPIC_APPENDED: Family<2> = family(
    "kafka_topic_message_count_total",
    Kind::Counter,
    &["kafka_cluster", "topic"],
    "Records appended to the topic since it is watched, by the movement of its ends.",
);

pub static PARTITION_COUNT: Family<2> = family(
    "kafka_topic_partition_count",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Partitions of the topic.",
);

pub static OFFLINE: Family<2> = family(
    "kafka_offline_partitions",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Partitions without a leader: nobody can write to them or read from them.",
);

pub static UNDER_REPLICATED: Family<2> = family(
    "kafka_under_replicated_partitions",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Partitions with fewer replicas in sync than replicas.",
);

pub static REASSIGNING: Family<2> = family(
    "kafka_under_replicated_reassigning_partitions",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Under-replicated partitions that are being moved to other brokers, which is expected. Absent where that may not be asked.",
);

pub static UNDER_MIN_ISR: Family<2> = family(
    "kafka_under_min_isr_partitions",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Partitions with fewer replicas in sync than min.insync.replicas: acks=all is refused. Absent where the setting is not known.",
);

pub static IMBALANCE: Family<2> = family(
    "kafka_preferred_leader_imbalance",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Partitions led by another than their preferred replica.",
);

pub static CHANGES: Family<2> = family(
    "kafka_cluster_changes_total",
    Kind::Counter,
    &["kafka_cluster", "kind"],
    "Changes of topics and brokers since the first look, by kind.",
);

/// All of them, in the order in which they are served.
pub static ALL: [&Description; 46] = [
    &LATEST_OFFSET.description,
    &STABLE_OFFSET.description,
    &EARLIEST_OFFSET.description,
    &GROUP_OFFSET.description,
    &GROUP_LAG.description,
    &GROUP_LAG_SECONDS.description,
    &GROUP_LAG_ERROR.description,
    &GROUP_LOST.description,
    &GROUP_TOPIC_LOST.description,
    &GROUP_MARGIN.description,
    &GROUP_RATIO.description,
    &GROUP_RESET.description,
    &GROUP_TOPIC_SUM.description,
    &GROUP_TOPIC_MAX_SECONDS.description,
    &GROUP_SUM.description,
    &GROUP_MAX.description,
    &GROUP_MAX_SECONDS.description,
    &GROUP_STATE.description,
    &MEMBER_INFO.description,
    &GROUP_UNKNOWN.description,
    &POLL_MS.description,
    &EXPORTER_UP.description,
    &EXPORTER_UPDATE.description,
    &EXPORTER_DURATION.description,
    &EXPORTER_COMPACTED.description,
    &EXPORTER_LOST.description,
    &COLLECT_ERRORS.description,
    &FILTERED.description,
    &HISTORY_OPENED.description,
    &HISTORY_WRITTEN.description,
    &HISTORY_FAILURES.description,
    &SERIES_DROPPED.description,
    &LAST_EVENT.description,
    &OLDEST_PARTITION_EVENT.description,
    &LAST_APPEND.description,
    &FRESHNESS_STATE.description,
    &FUTURE_TIMESTAMPS.description,
    &FRESHNESS_UP.description,
    &TOPIC_APPENDED.description,
    &PARTITION_COUNT.description,
    &OFFLINE.description,
    &UNDER_REPLICATED.description,
    &REASSIGNING.description,
    &UNDER_MIN_ISR.description,
    &IMBALANCE.description,
    &CHANGES.description,
];
