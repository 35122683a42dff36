//! Every metric in a table, for people: what it is called on each way out, and what it means.

use std::fmt::Write;

use super::otlp::names::Name;
use crate::catalog::{self, Description, Kind};

/// What stands above the tables.
const HEAD: &str = "# Metrics

This page is written by `kafka-heartbeat metrics`, from the same declarations as the metrics themselves.

Names are those of `/metrics`. Over OTLP a metric has a dotted name and a unit, and the default translation to Prometheus gives
the name back. Exceptions are the metrics that have the names of the collector's Kafka receiver. Durations are in seconds, sizes
in bytes. A number that was not measured is absent. Histograms have classic buckets everywhere, and exponential buckets in
addition in the protobuf format of Prometheus and over OTLP.

`kafka_cluster` and `cluster_name` are the cluster's name in the configuration. Families of topics, `kafka_*` and `topic_*`, carry
`kafka_cluster` only where several clusters are configured.
";

/// What stands above the older names.
const COMPAT: &str = "
## Names of older programs

These names are for existing dashboards and alerts. Each program has a switch in `[compat]`. In place of the switch,
`prometheus/compat.yml` computes most of the names from ours. Names of older programs are never pushed.

klag-exporter's names are our own. Its labels `member_host`, `consumer_id` and `client_id` on lags, and `compaction_detected` and
`data_loss_detected` on `kafka_consumergroup_group_lag_seconds`, come with `member_labels = true`; without,
`kafka_consumergroup_member_info` has them, for a join:

```promql
kafka_consumergroup_group_lag
  * on (cluster_name, group, topic, partition) group_left (member_host, consumer_id, client_id)
kafka_consumergroup_member_info
```

The names of the topic freshness exporter are our own, too. The findings of promtool about names that are kept are in
`prometheus/metrics.lint`. It has no findings about other names.
";

/// The page, in Markdown.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let sections: [(&str, &[&str]); 3] = [
        ("Heartbeats, brokers and the service itself", &["heartbeat_", "process_"]),
        (
            "Consumer groups and partitions",
            &["kafka_consumergroup_", "kafka_partition_", "kafka_lag_exporter_"],
        ),
        ("Topics and the cluster", &["topic_", "kafka_"]),
    ];
    let legacy: Vec<_> = catalog::compat::all().map(|family| family.name).collect();
    let mut left: Vec<_> = catalog::all().filter(|family| !legacy.contains(&family.name)).collect();
    for (title, prefixes) in sections {
        let (of, others) = left
            .into_iter()
            .partition(|family| prefixes.iter().any(|prefix| family.name.starts_with(prefix)));
        left = others;
        let _infallible = write!(
            page,
            "\n## {title}\n\n| Name | Type | Labels | Over OTLP | Meaning |\n|---|---|---|---|---|\n"
        );
        let of: Vec<&Description> = of;
        of.into_iter().for_each(|family| row(&mut page, family, &pushed(family), family.help));
    }
    page.push_str(COMPAT);
    for set in &catalog::compat::SETS {
        let _infallible = write!(
            page,
            "\n### `{} = true`: {}\n\n{}\n\n| Name | Type | Labels | Use instead | Meaning |\n|---|---|---|---|---|\n",
            set.switch, set.program, set.note
        );
        for family in set.families {
            let words = family.help.trim_start_matches("Compatibility. Use ");
            let (instead, meaning) = words.split_once(". ").unwrap_or((words, ""));
            row(&mut page, family, &format!("`{instead}`"), meaning);
        }
    }
    page
}

/// Name and unit.
fn pushed(family: &Description) -> String {
    let Name { name, unit, .. } = Name::of(family);
    if unit.is_empty() { format!("`{name}`") } else { format!("`{name}`, {unit}") }
}

fn row(page: &mut String, family: &Description, third: &str, meaning: &str) {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
        Kind::LegacyCounter => "counter, `unknown` in OpenMetrics",
    };
    let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    let _infallible = writeln!(
        page,
        "| `{}` | {kind} | {} | {} | {} |",
        family.name,
        labels.join(" "),
        third,
        meaning.replace('|', "\\|")
    );
}
