//! One promise, and the expressions of PromQL that measure it.

use std::time::Duration;

/// One promise of the section `[slo]`.
pub(super) struct Promise {
    /// The name of the promise: the label `sloth_slo`.
    pub(super) name: &'static str,
    /// The beginning of the names of its alerts.
    pub(super) alert: &'static str,
    /// The percentage that must be good.
    pub(super) percent: f64,
    /// What is promised, as a sentence.
    pub(super) words: String,
    /// The cluster, broker, topic or group that the promise is about, as a template of an annotation.
    pub(super) whom: &'static str,
    /// The labels that tell these clusters, brokers, topics or groups apart.
    pub(super) by: &'static str,
    pub(super) indicator: Indicator,
    /// Whether an alert may wake a person. The alert on one broker does not: the broker may restart as planned, and the
    /// heartbeats show whether clients suffer.
    pub(super) pages: bool,
    /// How long the condition of a page must hold before the alert fires; absent for a page without a delay. The delays
    /// differ, so that of several alerts with one cause the most general fires first and inhibits the others: all
    /// heartbeats fail, then availability, then a part of the way.
    pub(super) patience: Option<&'static str>,
    /// What the person who gets the alert checks first.
    pub(super) first: &'static str,
}

/// How a promise is measured.
pub(super) enum Indicator {
    /// A counter of bad events, and a counter of all events.
    Ratio { bad: &'static str, total: &'static str },
    /// A histogram whose values must stay within a limit. Values above the limit are counted from the histogram alone. Its
    /// series start again when a leader moves, and a window does not see the first value of a new series; a separate
    /// counter of all events would see the event, and the difference would count as bad.
    Within { histogram: &'static str, limit: Duration },
    /// The time in which a condition holds: the name of a rule that records 1 or 0, and the expression of the condition.
    Time { rule: &'static str, holds: String },
}

impl Promise {
    /// The ratio of bad events in a window; no value in a window without events.
    pub(super) fn error_ratio(&self, window: &str) -> String {
        match &self.indicator {
            Indicator::Time { rule, .. } => format!("1 - avg_over_time({rule}[{window}])"),
            _ => format!("{} / ({} > 0)", self.bad(window), self.total(window)),
        }
    }

    /// The rate of bad events in a window, per second.
    pub(super) fn bad(&self, window: &str) -> String {
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

    /// The rate of all events in a window, per second.
    pub(super) fn total(&self, window: &str) -> String {
        let by = self.by;
        match &self.indicator {
            Indicator::Ratio { total, .. } => format!("sum by ({by}) (rate({total}[{window}]))"),
            Indicator::Within { histogram, .. } => {
                format!("sum by ({by}) (rate({histogram}_count[{window}]))")
            }
            Indicator::Time { rule, .. } => format!("sum by ({by}) (count_over_time({rule}[{window}]))"),
        }
    }

    /// The condition that the promise is not measured. The ratio has no value then, so its alerts cannot fire.
    pub(super) fn unknown(&self) -> String {
        let silent =
            |total: &str| format!("absent({total}) or sum by ({}) (rate({total}[10m])) == 0", self.by);
        match &self.indicator {
            Indicator::Ratio { total, .. } => silent(total),
            Indicator::Within { histogram, .. } => silent(&format!("{histogram}_count")),
            Indicator::Time { .. } => {
                let last = "heartbeat_cycle_last_success_timestamp_seconds{task=\"collect\"}";
                // The lag of groups that the configuration names is known even if ListGroups is denied.
                let known = "label_replace(kafka_consumergroup:timely:bool, \"kafka_cluster\", \"$1\", \"cluster_name\", \"(.+)\")";
                let listing = "heartbeat_capability{api=\"ListGroups\",state=\"denied\"}";
                let denied = if self.by.contains("group") {
                    format!(" or min by (kafka_cluster) ({listing}) == 1 unless on (kafka_cluster) {known}")
                } else {
                    String::new()
                };
                format!("absent({last}) or min by (kafka_cluster) (time() - {last}) > 300{denied}")
            }
        }
    }

    /// The ratio of events that may be bad.
    pub(super) fn budget(&self) -> String {
        ratio(100.0 - self.percent)
    }

    /// The ratio of events that must be good.
    pub(super) fn objective(&self) -> String {
        ratio(self.percent)
    }

    /// The labels that select the recorded series of this promise.
    pub(super) fn selector(&self) -> String {
        format!(
            "sloth_id=\"kafka-heartbeat-{0}\", sloth_service=\"kafka-heartbeat\", sloth_slo=\"{0}\"",
            self.name
        )
    }
}

/// A percentage as a ratio, without the rounding errors of binary fractions.
fn ratio(percent: f64) -> String {
    let text = format!("{:.9}", percent / 100.0);
    text.trim_end_matches('0').to_owned()
}

/// The bound of a bucket as a regular expression that matches the spellings of Prometheus 2 and 3.
fn bound(limit: Duration) -> String {
    match limit.as_secs_f64().to_string().split_once('.') {
        Some((whole, part)) => format!("{whole}\\\\.{part}"),
        None => format!("{}(\\\\.0)?", limit.as_secs()),
    }
}

/// The bound of a bucket in the spelling of Prometheus 3, for tools that take a plain value.
pub(super) fn exact(limit: Duration) -> String {
    format!("{:?}", limit.as_secs_f64())
}
