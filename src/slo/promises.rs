//! The promises of the section `[slo]`.

use std::time::Duration;

use super::promise::{Indicator, Promise};
use crate::config::{Cluster, Config, LimitedObjective};

const CLUSTER: &str = "cluster {{ $labels.kafka_cluster }}";
const BROKER: &str = "broker {{ $labels.broker }} of cluster {{ $labels.kafka_cluster }}";

/// The promises that the configuration makes about what it measures; `percent` replaces the promise of availability.
///
/// # Errors
/// A promise that cannot be measured, or no promise at all.
pub(super) fn promises(config: &Config, percent: Option<f64>) -> Result<Vec<Promise>, String> {
    let some = |wanted: fn(&Cluster) -> bool| config.clusters.iter().any(wanted);
    let mut promises = Vec::new();
    if some(|cluster| cluster.heartbeat.enabled) {
        promises.extend(availability(config, percent));
        if let Some(LimitedObjective { limit, .. }) = config.slo.latency {
            check_limit(config, limit)?;
        }
        promises.extend(latency(config));
        promises.extend(produce(config));
    }
    if some(|cluster| cluster.connectivity.enabled) {
        promises.extend(connectivity(config));
    }
    if some(|cluster| cluster.freshness.enabled) {
        promises.extend(freshness(config));
    }
    if some(|cluster| cluster.lag.enabled) {
        promises.extend(lag(config));
    }
    if promises.is_empty() {
        return Err("[slo] promises nothing of what is switched on: give availability, latency, produce, \
                    connectivity, freshness or lag"
            .to_owned());
    }
    Ok(promises)
}

/// Heartbeats that are good.
fn availability(config: &Config, percent: Option<f64>) -> Option<Promise> {
    let percent = percent.or(config.slo.availability)?;
    let deadline = deadline(config);
    Some(Promise {
        name: "end-to-end-availability",
        alert: "KafkaHeartbeatAvailability",
        percent,
        words: format!("Heartbeats come back by {deadline}."),
        whom: CLUSTER,
        by: "kafka_cluster",
        indicator: Indicator::Ratio {
            bad: "heartbeat_slo_bad_events_total",
            total: "heartbeat_slo_events_total",
        },
        pages: true,
        patience: Some("3m"),
        first: "check the outcomes by kind, then the latency by broker",
    })
}

/// Heartbeats that are received within a limit.
fn latency(config: &Config) -> Option<Promise> {
    let LimitedObjective { percent, limit } = config.slo.latency?;
    Some(Promise {
        name: "end-to-end-latency",
        alert: "KafkaHeartbeatLatency",
        percent,
        words: format!("Heartbeats come back within {}.", shown(limit)),
        whom: CLUSTER,
        by: "kafka_cluster",
        indicator: Indicator::Within { histogram: "heartbeat_end_to_end_duration_seconds", limit },
        pages: true,
        patience: Some("5m"),
        first: "see in the dashboard's latency by broker whether one broker is slow or all brokers are",
    })
}

/// Heartbeats that are acknowledged.
fn produce(config: &Config) -> Option<Promise> {
    let percent = config.slo.produce?;
    let deadline = deadline(config);
    Some(Promise {
        name: "produce-availability",
        alert: "KafkaHeartbeatProduce",
        percent,
        words: format!("Heartbeats are acknowledged by {deadline}."),
        whom: CLUSTER,
        by: "kafka_cluster",
        indicator: Indicator::Ratio {
            bad: "heartbeat_slo_unacknowledged_events_total",
            total: "heartbeat_slo_events_total",
        },
        pages: true,
        patience: Some("5m"),
        first: "check heartbeat_produce_errors_total by fault, then in-sync replicas",
    })
}

/// Brokers that take sessions.
fn connectivity(config: &Config) -> Option<Promise> {
    let percent = config.slo.connectivity?;
    Some(Promise {
        name: "broker-connectivity",
        alert: "KafkaBrokerConnectivity",
        percent,
        words: "Sessions with each broker can be opened.".to_owned(),
        whom: BROKER,
        by: "kafka_cluster, broker",
        indicator: Indicator::Ratio {
            bad: "heartbeat_broker_check_failures_total",
            total: "heartbeat_broker_checks_total",
        },
        pages: false,
        patience: None,
        first: "see on the service's page at which stage sessions fail: name, TCP connection, TLS or SASL",
    })
}

/// Topics whose newest record is young.
fn freshness(config: &Config) -> Option<Promise> {
    let LimitedObjective { percent, limit } = config.slo.freshness?;
    Some(Promise {
        name: "topic-freshness",
        alert: "KafkaTopicFreshness",
        percent,
        words: format!("The newest record of a topic is younger than {}.", shown(limit)),
        whom: "topic {{ $labels.topic }}{{ with $labels.kafka_cluster }} of cluster {{ . }}{{ end }}",
        by: "kafka_cluster, topic",
        indicator: Indicator::Time {
            rule: "kafka_topic:fresh:bool",
            holds: format!(
                "max by (kafka_cluster, topic) (time() - topic_last_event_timestamp_seconds <= bool {})",
                limit.as_secs_f64()
            ),
        },
        pages: true,
        patience: None,
        first: "check whether the producer of the topic runs; if all topics are stale, check the brokers",
    })
}

/// Groups whose time lag is short.
fn lag(config: &Config) -> Option<Promise> {
    let LimitedObjective { percent, limit } = config.slo.lag?;
    Some(Promise {
        name: "consumer-time-lag",
        alert: "KafkaConsumerTimeLag",
        percent,
        words: format!("The oldest unread record of a group is younger than {}.", shown(limit)),
        whom: "consumer group {{ $labels.group }} of cluster {{ $labels.cluster_name }}",
        by: "cluster_name, group",
        indicator: Indicator::Time {
            rule: "kafka_consumergroup:timely:bool",
            holds: format!(
                "min by (cluster_name, group) (kafka_consumergroup_group_max_lag_seconds <= bool {})",
                limit.as_secs_f64()
            ),
        },
        pages: true,
        patience: None,
        first: "read the verdict of the group: stall or stop if its committed offsets do not move, warn if the group is too slow",
    })
}

/// The deadline of heartbeats as words of a sentence, with its length if all clusters have the same.
fn deadline(config: &Config) -> String {
    let sending = config.clusters.iter().filter(|cluster| cluster.heartbeat.enabled);
    let mut deadlines = sending.map(|cluster| cluster.heartbeat.deadline);
    let first = deadlines.next().unwrap_or_default();
    if deadlines.all(|other| other == first) {
        format!("their deadline, {}", shown(first))
    } else {
        "their deadline".to_owned()
    }
}

/// Checks that the histogram of each cluster has a bucket whose bound is the limit: a rule cannot measure another limit.
fn check_limit(config: &Config, limit: Duration) -> Result<(), String> {
    for cluster in config.clusters.iter().filter(|cluster| cluster.heartbeat.enabled) {
        let (deadline, name) = (cluster.heartbeat.deadline, &cluster.name);
        if limit > deadline {
            return Err(format!(
                "[slo] latency.limit: {} is above the deadline of {name}, {}: heartbeats are judged at the deadline, so a \
                 longer latency cannot be measured",
                shown(limit),
                shown(deadline)
            ));
        }
        if limit != deadline && !cluster.heartbeat.objectives.contains(&limit) {
            return Err(format!(
                "[slo] latency.limit: {0} is the bound of no bucket: add it to [heartbeat] objectives of {name}",
                shown(limit)
            ));
        }
    }
    Ok(())
}

fn shown(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
