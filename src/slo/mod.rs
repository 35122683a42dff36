//! Rules for what is promised: recording rules and alerts for Prometheus, and documents for the tools that write such rules.
//!
//! Names and labels are Sloth's, whose dashboards work with them. A budget is spent too fast when it is spent so in a long
//! and in a short window: the multi-window, multi-burn-rate alerts of the SRE workbook, over thirty days.

use std::time::Duration;

use askama::Template;

use crate::config::{Config, LimitedObjective};

/// What the rules are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Recording rules and alerts.
    Prometheus,
    /// Sloth's `prometheus/v1`.
    Sloth,
    /// Pyrra's `ServiceLevelObjective`.
    Pyrra,
    /// `openslo/v1`.
    Openslo,
}

/// The windows that are recorded.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// How fast thirty days' budget is spent: in the long window and, for it to be so still, in the short one.
struct Burn {
    long: &'static str,
    short: &'static str,
    /// Times the budget.
    factor: &'static str,
}

/// Two percent of the budget in an hour, or five in six.
const PAGE: [Burn; 2] =
    [Burn { long: "1h", short: "5m", factor: "14.4" }, Burn { long: "6h", short: "30m", factor: "6" }];

/// Ten percent in a day, or in three.
const TICKET: [Burn; 2] =
    [Burn { long: "1d", short: "2h", factor: "3" }, Burn { long: "3d", short: "6h", factor: "1" }];

/// One promise.
struct Promise {
    /// In Sloth's `sloth_slo`.
    name: &'static str,
    /// The alerts' names begin with it.
    alert: &'static str,
    percent: f64,
    /// What is promised, in a sentence.
    words: String,
    /// Whom it concerns, as a template of an annotation.
    whom: &'static str,
    /// The labels of each one it is promised to.
    by: &'static str,
    indicator: Indicator,
    /// Somebody is to be woken. Not for one broker: it may be restarted, and heartbeats say whether anybody suffers.
    pages: bool,
    /// How long a page waits, so that of what has one cause the first to be told hides the others: all heartbeats fail,
    /// then availability, then what is a part of it.
    patience: Option<&'static str>,
    /// What to look at first.
    first: &'static str,
}

/// How a promise is measured.
enum Indicator {
    /// A counter of what is bad, and one of everything.
    Ratio { bad: &'static str, total: &'static str },
    /// A histogram, of whose values so many may be above a bound. What is above is counted within the histogram alone: its
    /// series begin anew when a leader moves, and of what a series begins with no window knows; a counter that goes on
    /// beside it would make that bad.
    Within { histogram: &'static str, limit: Duration },
    /// Time in which something holds: the name of a rule that records 1 or 0, and its expression.
    Time { rule: &'static str, holds: String },
}

impl Promise {
    /// The part that is bad, in a window; nothing, where there was nothing.
    fn error_ratio(&self, window: &str) -> String {
        match &self.indicator {
            Indicator::Time { rule, .. } => format!("1 - avg_over_time({rule}[{window}])"),
            _ => format!("{} / ({} > 0)", self.bad(window), self.total(window)),
        }
    }

    /// Bad events a second.
    fn bad(&self, window: &str) -> String {
        let by = self.by;
        match &self.indicator {
            Indicator::Ratio { bad, .. } => format!("sum by ({by}) (rate({bad}[{window}]))"),
            Indicator::Within { histogram, limit } => {
                let le = bound(*limit);
                let good = format!("sum by ({by}) (rate({histogram}_bucket{{le=~\"{le}\"}}[{window}]))");
                format!("clamp_min({} - {good}, 0)", self.total(window))
            }
            Indicator::Time { rule, .. } => {
                format!("sum by ({by}) (sum_over_time(({rule} == bool 0)[{window}:30s]))")
            }
        }
    }

    /// All events a second.
    fn total(&self, window: &str) -> String {
        let by = self.by;
        match &self.indicator {
            Indicator::Ratio { total, .. } => format!("sum by ({by}) (rate({total}[{window}]))"),
            Indicator::Within { histogram, .. } => {
                format!("sum by ({by}) (rate({histogram}_count[{window}]))")
            }
            Indicator::Time { rule, .. } => format!("sum by ({by}) (count_over_time({rule}[{window}]))"),
        }
    }

    /// Whether it is not known: a ratio of nothing never fires.
    fn unknown(&self) -> String {
        let silent =
            |total: &str| format!("absent({total}) or sum by ({}) (rate({total}[10m])) == 0", self.by);
        match &self.indicator {
            Indicator::Ratio { total, .. } => silent(total),
            Indicator::Within { histogram, .. } => silent(&format!("{histogram}_count")),
            Indicator::Time { .. } => {
                let last = "heartbeat_cycle_last_success_timestamp_seconds{task=\"collect\"}";
                // Groups that are named in the configuration are known though none may be listed.
                let told = "label_replace(kafka_consumergroup:timely:bool, \"kafka_cluster\", \"$1\", \"cluster_name\", \"(.+)\")";
                let listing = "heartbeat_capability{api=\"ListGroups\",state=\"denied\"}";
                let denied = if self.by.contains("group") {
                    format!(" or min by (kafka_cluster) ({listing}) == 1 unless on (kafka_cluster) {told}")
                } else {
                    String::new()
                };
                format!("absent({last}) or min by (kafka_cluster) (time() - {last}) > 300{denied}")
            }
        }
    }

    /// The part that may be bad.
    fn budget(&self) -> String {
        ratio(100.0 - self.percent)
    }

    fn objective(&self) -> String {
        ratio(self.percent)
    }

    fn selector(&self) -> String {
        format!(
            "sloth_id=\"kafka-heartbeat-{0}\", sloth_service=\"kafka-heartbeat\", sloth_slo=\"{0}\"",
            self.name
        )
    }
}

/// Percent as a ratio, without the noise of binary fractions.
fn ratio(percent: f64) -> String {
    let text = format!("{:.9}", percent / 100.0);
    text.trim_end_matches('0').to_owned()
}

/// A bucket's bound, as Prometheus 2 and 3 write it.
fn bound(limit: Duration) -> String {
    match limit.as_secs_f64().to_string().split_once('.') {
        Some((whole, part)) => format!("{whole}\\\\.{part}"),
        None => format!("{}(\\\\.0)?", limit.as_secs()),
    }
}

/// The same for who takes one spelling alone, and a number at that.
fn exact(limit: Duration) -> String {
    format!("{:?}", limit.as_secs_f64())
}

/// What the configuration promises.
fn promises(config: &Config, availability: Option<f64>) -> Result<Vec<Promise>, String> {
    let slo = &config.slo;
    let shown = |time: Duration| humantime::format_duration(time).to_string();
    let mut promises = Vec::new();
    let deadline = deadline(config);
    let (cluster, broker) = (
        "cluster {{ $labels.kafka_cluster }}",
        "broker {{ $labels.broker }} of cluster {{ $labels.kafka_cluster }}",
    );
    let watches = |wanted: fn(&crate::config::Cluster) -> bool| config.clusters.iter().any(wanted);
    let (sends, connects) =
        (watches(|cluster| cluster.heartbeat.enabled), watches(|cluster| cluster.connectivity.enabled));
    if let Some(percent) = availability.or(slo.availability).filter(|_| sends) {
        promises.push(Promise {
            name: "end-to-end-availability",
            alert: "KafkaHeartbeatAvailability",
            percent,
            words: format!("Heartbeats come back by {deadline}."),
            whom: cluster,
            by: "kafka_cluster",
            indicator: Indicator::Ratio {
                bad: "heartbeat_slo_bad_events_total",
                total: "heartbeat_slo_events_total",
            },
            pages: true,
            patience: Some("3m"),
            first: "check the outcomes by kind, then the latency by broker",
        });
    }
    if let Some(LimitedObjective { percent, limit }) = slo.latency.filter(|_| sends) {
        latency_limit(config, limit)?;
        promises.push(Promise {
            name: "end-to-end-latency",
            alert: "KafkaHeartbeatLatency",
            percent,
            words: format!("Heartbeats come back within {}.", shown(limit)),
            whom: cluster,
            by: "kafka_cluster",
            indicator: Indicator::Within { histogram: "heartbeat_end_to_end_duration_seconds", limit },
            pages: true,
            patience: Some("5m"),
            first: "see in the dashboard's latency by broker whether one broker is slow or all brokers are",
        });
    }
    if let Some(percent) = slo.produce.filter(|_| sends) {
        promises.push(Promise {
            name: "produce-availability",
            alert: "KafkaHeartbeatProduce",
            percent,
            words: format!("Heartbeats are acknowledged by {deadline}."),
            whom: cluster,
            by: "kafka_cluster",
            indicator: Indicator::Ratio {
                bad: "heartbeat_slo_unacknowledged_events_total",
                total: "heartbeat_slo_events_total",
            },
            pages: true,
            patience: Some("5m"),
            first: "check heartbeat_produce_errors_total by fault, then in-sync replicas",
        });
    }
    if let Some(percent) = slo.connectivity.filter(|_| connects) {
        promises.push(Promise {
            name: "broker-connectivity",
            alert: "KafkaBrokerConnectivity",
            percent,
            words: "Sessions with each broker can be opened.".to_owned(),
            whom: broker,
            by: "kafka_cluster, broker",
            indicator: Indicator::Ratio {
                bad: "heartbeat_broker_check_failures_total",
                total: "heartbeat_broker_checks_total",
            },
            pages: false,
            patience: None,
            first: "see on the service's page at which stage sessions fail: name, TCP connection, TLS or SASL",
        });
    }
    if let Some(LimitedObjective { percent, limit }) =
        slo.freshness.filter(|_| watches(|cluster| cluster.freshness.enabled))
    {
        promises.push(Promise {
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
        });
    }
    if let Some(LimitedObjective { percent, limit }) =
        slo.lag.filter(|_| watches(|cluster| cluster.lag.enabled))
    {
        promises.push(Promise {
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
        });
    }
    match promises.is_empty() {
        true => {
            Err("[slo] promises nothing of what is switched on: give availability, latency, produce, connectivity, freshness or lag"
                .to_owned())
        }
        false => Ok(promises),
    }
}

/// How long heartbeats have, in words, where that is the same for all clusters.
fn deadline(config: &Config) -> String {
    let sending = config.clusters.iter().filter(|cluster| cluster.heartbeat.enabled);
    let mut deadlines = sending.map(|cluster| cluster.heartbeat.deadline);
    let first = deadlines.next().unwrap_or_default();
    match deadlines.all(|other| other == first) {
        true => format!("their deadline, {}", humantime::format_duration(first)),
        false => "their deadline".to_owned(),
    }
}

/// A rule finds a limit in the histogram where it is the bound of a bucket, and nowhere else.
fn latency_limit(config: &Config, limit: Duration) -> Result<(), String> {
    let shown = |time: Duration| humantime::format_duration(time).to_string();
    for cluster in config.clusters.iter().filter(|cluster| cluster.heartbeat.enabled) {
        let (deadline, name) = (cluster.heartbeat.deadline, &cluster.name);
        if limit > deadline {
            return Err(format!(
                "[slo] latency.limit: {} is above the deadline of {name}, {}, where heartbeats are judged: nobody can tell \
                 later ones apart",
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

#[derive(Template)]
#[template(path = "prometheus.yml", escape = "none")]
struct Prometheus {
    promises: Vec<Promise>,
}

#[derive(Template)]
#[template(path = "sloth.yml", escape = "none")]
struct Sloth {
    promises: Vec<Promise>,
}

#[derive(Template)]
#[template(path = "pyrra.yml", escape = "none")]
struct Pyrra {
    promises: Vec<Promise>,
}

#[derive(Template)]
#[template(path = "openslo.yml", escape = "none")]
struct OpenSlo {
    promises: Vec<Promise>,
}

/// The rules for what a configuration promises; `availability` wins over its own.
///
/// # Errors
/// What cannot be promised, and why.
pub fn rules(config: &Config, availability: Option<f64>, format: Format) -> Result<String, String> {
    let promises = promises(config, availability)?;
    let text = match format {
        Format::Prometheus => Prometheus { promises }.render(),
        Format::Sloth => Sloth { promises }.render(),
        Format::Pyrra => Pyrra { promises }.render(),
        Format::Openslo => OpenSlo { promises }.render(),
    };
    text.map(|text| format!("{}\n", text.trim_end())).map_err(|error| error.to_string())
}
