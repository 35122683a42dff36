//! The configuration in force, as INI, without secrets.

use std::time::Duration;

use super::{Cluster, Config, Liveness, LogFormat, Otlp, secret};

/// Percent-encoded where a list of names and values would be misread.
fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"%,=;\"\\".contains(&byte);
    value.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

pub(super) fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

impl Config {
    /// The configuration in force, as INI, without secrets.
    pub fn redacted(&self) -> String {
        let mut lines = Vec::new();
        let auto = |value: Option<String>| value.unwrap_or_else(|| "auto".to_owned());
        for cluster in &self.clusters {
            let Cluster {
                heartbeat,
                topic,
                connectivity,
                metadata,
                lag,
                freshness,
                anomaly,
                log_dirs,
                transactions,
                ..
            } = cluster;
            lines.push(format!("[cluster:{}]", cluster.name));
            let properties =
                [("", &cluster.kafka), ("producer.", &cluster.producer), ("consumer.", &cluster.consumer)];
            for (prefix, properties) in properties {
                for (key, property) in &properties.0 {
                    lines.push(format!("{prefix}{key} = {}", secret::shown(key, &property.value)));
                }
            }
            let objectives: Vec<_> = heartbeat.objectives.iter().copied().map(time).collect();
            let settings = [
                ("heartbeat.enabled", heartbeat.enabled.to_string()),
                ("heartbeat.topic", heartbeat.topic.clone()),
                ("heartbeat.interval", time(heartbeat.interval)),
                ("heartbeat.deadline", time(heartbeat.deadline)),
                ("heartbeat.horizon", time(heartbeat.horizon)),
                ("heartbeat.payload.bytes", heartbeat.payload_bytes.to_string()),
                ("heartbeat.objectives", objectives.join(" ")),
                ("heartbeat.instance", heartbeat.instance.clone()),
                ("topic.create", topic.create.to_string()),
                ("topic.expand", topic.expand.to_string()),
                ("topic.rebalance", topic.rebalance.to_string()),
                ("topic.partitions", auto(topic.partitions.map(|n| n.to_string()))),
                ("topic.replication.factor", auto(topic.replication_factor.map(|n| n.to_string()))),
                ("topic.interval", time(topic.interval)),
                ("topic.timeout", time(topic.timeout)),
                ("connectivity.enabled", connectivity.enabled.to_string()),
                ("connectivity.interval", time(connectivity.interval)),
                ("connectivity.timeout", time(connectivity.timeout)),
                ("metadata.expected.brokers", auto(metadata.expected_brokers.map(|n| n.to_string()))),
                ("metadata.interval", time(metadata.interval)),
                ("metadata.timeout", time(metadata.timeout)),
                ("lag.enabled", lag.enabled.to_string()),
                ("lag.interval", time(lag.interval)),
                ("lag.groups.include", lag.groups.include()),
                ("lag.groups.exclude", lag.groups.exclude()),
                ("lag.groups", lag.names.join(" ")),
                ("lag.topics.include", lag.topics.include()),
                ("lag.topics.exclude", lag.topics.exclude()),
                (
                    "lag.exclude.file",
                    lag.exclude_file.as_ref().map_or_else(String::new, |path| path.display().to_string()),
                ),
                ("lag.granularity", if lag.partitions { "partition" } else { "topic" }.to_owned()),
                (
                    "lag.isolation",
                    if lag.committed_only { "read_committed" } else { "read_uncommitted" }.to_owned(),
                ),
                ("lag.max.error", time(lag.max_error)),
                ("lag.members", lag.members.to_string()),
                ("lag.partial_sums", lag.partial_sums.to_string()),
                ("lag.max.series", lag.max_series.to_string()),
                ("freshness.enabled", freshness.enabled.to_string()),
                ("freshness.interval", time(freshness.interval)),
                ("freshness.topics.include", freshness.topics.include()),
                ("freshness.topics.exclude", freshness.topics.exclude()),
                ("freshness.topics.prefix", freshness.topics.prefix()),
                ("log_dirs.enabled", log_dirs.enabled.to_string()),
                ("log_dirs.interval", time(log_dirs.interval)),
                ("log_dirs.timeout", time(log_dirs.timeout)),
                ("transactions.enabled", transactions.enabled.to_string()),
                ("transactions.interval", time(transactions.interval)),
                ("transactions.timeout", time(transactions.timeout)),
                ("transactions.min.age", time(transactions.least)),
                ("anomaly.score", anomaly.score.to_string()),
                ("anomaly.min.rate", anomaly.least.to_string()),
            ];
            lines.extend(settings.into_iter().map(|(key, value)| format!("{key} = {value}")));
            lines.push(String::new());
        }
        lines.push("[history]".to_owned());
        lines.extend(self.clusters.first().map(|cluster| cluster.liveness.lines()).into_iter().flatten());
        if let Some(path) = &self.history {
            lines.push(format!("path = {}", path.display()));
        }
        lines.push(String::new());
        if let Some(report) = &self.report {
            lines.extend([
                "[report]".to_owned(),
                format!("path = {}", report.path.display()),
                format!("interval = {}", time(report.interval)),
                String::new(),
            ]);
        }
        lines.push("[alerts]".to_owned());
        lines.extend(self.alerts.lines());
        lines.push(String::new());
        lines.push("[slo]".to_owned());
        lines.extend(self.slo.lines());
        lines.push(String::new());
        lines.extend(["[http]".to_owned(), format!("listen = {}", self.http.listen)]);
        if let Some(tls) = &self.http.tls {
            lines.push(format!("tls.certificate = {}", tls.certificate.display()));
            lines.push(format!("tls.key = {}", tls.key.display()));
        }
        if let Some(basic) = &self.http.basic {
            lines.push(format!("basic.username = {}", basic.username));
            lines.push(format!("basic.password = {}", secret::REDACTED));
        }
        lines.push(format!("connections = {}", self.http.connections));
        lines.push(format!("created_timestamps = {}", self.http.created_timestamps));
        lines.push(String::new());
        lines.push("[otlp]".to_owned());
        lines.extend(self.otlp.lines());
        lines.push(String::new());
        if !self.labels.is_empty() {
            lines.push("[labels]".to_owned());
            lines.extend(self.labels.iter().map(|(key, value)| format!("{key} = {value}")));
            lines.push(String::new());
        }
        let format = if self.log.format == LogFormat::Json { "json" } else { "text" };
        lines.extend([
            "[log]".to_owned(),
            format!("format = {format}"),
            format!("level = {}", self.log.level),
            String::new(),
        ]);
        lines.extend([
            "[compat]".to_owned(),
            format!("cc_heartbeat = {}", self.compat.cc_heartbeat),
            format!("kafka_exporter = {}", self.compat.kafka_exporter),
            format!("kminion = {}", self.compat.kminion),
            format!("kafka_consumer_lag = {}", self.compat.kafka_consumer_lag),
            format!("member_labels = {}", self.compat.member_labels),
            String::new(),
        ]);
        lines.extend([
            "[shutdown]".to_owned(),
            format!("grace = {}", time(self.shutdown.grace)),
            String::new(),
        ]);
        lines.join("\n")
    }
}

impl Liveness {
    fn lines(self) -> [String; 6] {
        [
            format!("sample_interval_seconds = {}", self.sample.as_secs()),
            format!("offline_detection_consecutive_samples = {}", self.samples),
            format!("recovering_minimum_duration_seconds = {}", self.recovering.as_secs()),
            format!("online_lag_threshold_seconds = {}", self.near.as_secs()),
            format!("absent_group_retention_seconds = {}", self.retention.as_secs()),
            format!("absent_group_limit = {}", self.most_absent),
        ]
    }
}

impl Otlp {
    fn lines(&self) -> Vec<String> {
        let word = |first: bool, one: &str, other: &str| if first { one } else { other }.to_owned();
        let path =
            |path: Option<&std::path::PathBuf>| path.map_or_else(String::new, |p| p.display().to_string());
        let targets = [
            ("metrics", self.metrics.as_ref().map(|metrics| &metrics.target)),
            ("traces", self.traces.as_ref().map(|traces| &traces.target)),
        ];
        let mut lines = Vec::new();
        for (signal, target) in targets {
            lines.push(format!("{signal}.enabled = {}", target.is_some()));
            let Some(target) = target else { continue };
            let identity = target.identity.as_ref();
            let settings = [
                ("endpoint", secret::shown("endpoint", &target.endpoint)),
                ("protocol", word(target.grpc, "grpc", "http/protobuf")),
                ("headers", if target.headers.0.is_empty() { "" } else { secret::REDACTED }.to_owned()),
                ("timeout", time(target.timeout)),
                ("compression", word(target.gzip, "gzip", "none")),
                ("tls.ca", path(target.ca.as_ref())),
                ("tls.certificate", path(identity.map(|own| &own.0))),
                ("tls.key", path(identity.map(|own| &own.1))),
            ];
            lines.extend(settings.into_iter().map(|(key, value)| format!("{signal}.{key} = {value}")));
        }
        if let Some(metrics) = &self.metrics {
            lines.extend([
                format!("interval = {}", time(metrics.interval)),
                format!("temporality = {}", word(metrics.delta, "delta", "cumulative")),
                format!("histograms = {}", word(metrics.exponential, "exponential", "explicit")),
            ]);
        }
        lines.extend(self.traces.as_ref().map(|traces| format!("traces.share = {}", traces.share)));
        let resource = targets.into_iter().find_map(|(_, target)| Some(&target?.resource));
        let pairs = resource.into_iter().flatten().map(|(name, value)| format!("{name}={}", encoded(value)));
        let pairs: Vec<_> = pairs.collect();
        lines.extend((!pairs.is_empty()).then(|| format!("resource = {}", pairs.join(","))));
        lines
    }
}
