//! `config.toml` of klag-exporter.

use super::{
    super::reader::duration,
    item::Item,
    klag_cluster::{self, Clusters},
    output::Output,
    toml,
    variables::of_klag,
};

/// What klag-exporter does without a setting.
const HOST: &str = "0.0.0.0";
const PORT: u16 = 8000;
const GRANULARITY: &str = "topic";

/// The settings of `[exporter]` that only mean something together.
#[derive(Default)]
struct Exporter {
    host: Option<Item>,
    port: Option<Item>,
    has_granularity: bool,
    otel: Otel,
}

/// `[exporter.otel]`
#[derive(Default)]
struct Otel {
    is_enabled: bool,
    endpoint: Option<Item>,
    interval: Option<Item>,
}

/// Reads every value of the file.
pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let items = match toml::items(text) {
        Ok(items) => items,
        Err((line, words)) => {
            let variable = text.lines().nth(line.saturating_sub(1)).is_some_and(|line| line.contains("${"));
            let remedy = if variable { ": write a variable in quotes" } else { "" };
            return output.wrong(Some(line), &format!("this is no TOML: {words}{remedy}"));
        }
    };
    output.without_heartbeats("klag-exporter");
    let mut exporter = Exporter::default();
    let mut clusters = Clusters::default();
    for item in items {
        match item.names()[..] {
            ["exporter", ref names @ ..] => {
                exporter.read(names, &item, output);
            }
            ["clusters", index, _, ..] if index.starts_with('[') => clusters.add(item),
            _ => output.leave_out(&item, "klag-exporter has no such key"),
        }
    }
    exporter.finish(output);
    klag_cluster::read(clusters, output);
    output.comment("compat", "The labels of members, which klag-exporter has on lag.");
    output.set("compat", "member_labels", "true");
}

impl Exporter {
    fn read(&mut self, names: &[&str], item: &Item, output: &mut Output<'_>) {
        match names {
            ["poll_interval"] => put_duration("lag", "interval", item, output),
            ["http_host"] => self.host = Some(item.clone()),
            ["http_port"] => self.port = Some(item.clone()),
            ["granularity"] => {
                self.has_granularity = true;
                match output.text_of(item).map(str::to_lowercase).as_deref() {
                    Some(granularity @ ("topic" | "partition")) => {
                        output.put("lag", "granularity", granularity, item);
                    }
                    Some(_) => output.expected(item, "topic or partition"),
                    None => {}
                }
            }
            ["otel", "enabled"] => self.otel.is_enabled = output.switch_of(item).unwrap_or_default(),
            ["otel", "endpoint"] => self.otel.endpoint = Some(item.clone()),
            ["otel", "export_interval"] => self.otel.interval = Some(item.clone()),
            // Time lag is always exposed here.
            ["timestamp_sampling", "enabled"] if output.switch_of(item) == Some(true) => {}
            ["timestamp_sampling", ..] => {
                let why = "the time lag comes from samples of the log end offsets; where they are too coarse, the headers of record \
                           batches are read, see max.error in [lag]";
                output.leave_out(item, why);
            }
            ["leadership", "enabled"] if output.switch_of(item) == Some(false) => {}
            ["leadership", ..] => {
                output.leave_out(item, "several instances run side by side here, without an election");
            }
            ["performance", ..] => {
                output.leave_out(
                    item,
                    "the service limits its requests by itself, and has deadlines of its own",
                );
            }
            ["staleness_threshold"] => {
                output.leave_out(item, "series of a cluster that is not reached are absent by themselves");
            }
            _ => output.leave_out(item, "klag-exporter has no such key"),
        }
    }

    fn finish(self, output: &mut Output<'_>) {
        let port = self.port.as_ref().map_or(Some(PORT), |item| output.port_of(item));
        let host = match &self.host {
            None => Some(HOST.to_owned()),
            Some(item) => output.text_of(item).and_then(|text| output.form_of(item, of_klag(text))),
        };
        if let (Some(host), Some(port)) = (host, port) {
            // An IPv6 address is written in brackets.
            let host =
                if host.contains(':') && !host.contains(['[', '$']) { format!("[{host}]") } else { host };
            let address = format!("{host}:{port}");
            match self.host.as_ref().or(self.port.as_ref()) {
                Some(item) => output.put("http", "listen", &address, item),
                None => output.set("http", "listen", &address),
            }
        }
        if !self.has_granularity {
            output.set("lag", "granularity", GRANULARITY);
        }
        self.otel.finish(output);
    }
}

impl Otel {
    fn finish(self, output: &mut Output<'_>) {
        if !self.is_enabled {
            for item in self.endpoint.iter().chain(&self.interval) {
                output.leave_out(item, "exporter.otel.enabled is not true");
            }
            return;
        }
        match &self.endpoint {
            Some(item) => {
                let endpoint = output.text_of(item).and_then(|text| output.form_of(item, of_klag(text)));
                if let Some(endpoint) = endpoint {
                    output.put("otlp", "endpoint", &endpoint, item);
                }
            }
            None => output.set("otlp", "endpoint", "http://localhost:4317"),
        }
        output.set("otlp", "protocol", "grpc");
        if let Some(item) = &self.interval {
            put_duration("otlp", "interval", item, output);
        }
        output.comment("otlp", "klag-exporter sends no traces.");
        output.set("otlp", "traces.enabled", "false");
    }
}

/// Writes a duration. A variable is checked when the configuration is loaded.
fn put_duration(section: &str, key: &str, item: &Item, output: &mut Output<'_>) {
    let value = output.text_of(item).and_then(|text| output.form_of(item, of_klag(text)));
    let Some(value) = value else { return };
    if value.contains("${") || duration(&value).is_some() {
        output.put(section, key, &value, item);
    } else {
        output.expected(item, "a duration such as 30s or 5m");
    }
}
