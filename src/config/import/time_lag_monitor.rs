//! `config.yaml` of the time lag monitor.

use std::path::Path;

use super::{
    expression,
    item::{Item, Value},
    output::Output,
    yaml,
};

/// The name of the new history file, beside the old database.
const HISTORY: &str = "kafka-heartbeat.db";

/// Reads every value of the file.
pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let document = match yaml::document(text) {
        Ok(document) => document,
        Err((line, words)) => return output.wrong(Some(line), &words),
    };
    if !document.is_mapping() {
        return output.wrong(None, "expected the sections kafka, monitoring, database, output and exclude");
    }
    output.without_heartbeats("The time lag monitor");
    for item in yaml::items(&document, text) {
        match item.names()[..] {
            ["kafka", key] => kafka(key, &item, output),
            ["monitoring", key] => monitoring(key, &item, output),
            ["database", "path"] => database(&item, output),
            ["output", "json_path"] => {
                if let Some(path) = output.text_of(&item) {
                    output.put_plain("report", "path", path, &item);
                }
            }
            ["exclude", "topics"] => exclude("topics.exclude", &item, output),
            ["exclude", "groups"] => exclude("groups.exclude", &item, output),
            _ => output.leave_out(&item, "the time lag monitor has no such key"),
        }
    }
    if !output.has("kafka", "bootstrap.servers") {
        let line = yaml::line_of(&["kafka".to_owned()], text);
        output.wrong(line, "kafka.bootstrap_servers is missing: name the brokers there");
    }
}

fn kafka(key: &str, item: &Item, output: &mut Output<'_>) {
    let own = match key {
        "bootstrap_servers" => "bootstrap.servers",
        "security_protocol" => "security.protocol",
        "sasl_mechanism" => "sasl.mechanism",
        "sasl_username" => "sasl.username",
        "sasl_password" => "sasl.password",
        "ssl_ca_location" => "ssl.ca.location",
        _ => return output.leave_out(item, "the time lag monitor has no such key"),
    };
    match &item.value {
        Value::Empty => {}
        Value::Text(text) => output.put_plain("kafka", own, text, item),
        // The value is not shown: a password of digits is read as a number.
        _ => output.wrong(item.line, &format!("{}: expected a text: write it in quotes", item.key())),
    }
}

fn monitoring(key: &str, item: &Item, output: &mut Output<'_>) {
    let history = match key {
        "offline_detection_consecutive_samples" | "absent_group_retention_seconds" => Some(1),
        "recovering_minimum_duration_seconds" | "online_lag_threshold_seconds" => Some(0),
        _ => None,
    };
    if let Some(least) = history {
        if let Some(number) = output.number_of(item, least) {
            output.put("history", key, &number.to_string(), item);
        }
        return;
    }
    let why = match key {
        "sample_interval_seconds" => {
            if let Some(seconds) = output.number_of(item, 1) {
                output.put("history", key, &seconds.to_string(), item);
                output.put("lag", "interval", &format!("{seconds}s"), item);
            }
            return;
        }
        "report_interval_seconds" => {
            if let Some(seconds) = output.number_of(item, 1) {
                output.put("report", "interval", &format!("{seconds}s"), item);
            }
            return;
        }
        "offline_sample_interval_seconds" => {
            "groups that are offline are watched in the interval of [lag] as well"
        }
        "housekeeping_interval_seconds" => "the history file is kept small without it",
        "max_entries_per_partition" | "max_commit_entries_per_partition" => {
            "the service itself limits what it keeps of each partition"
        }
        _ => "the time lag monitor has no such key",
    };
    output.leave_out(item, why);
}

/// The database has another form than the history file, which must not be put in its place.
fn database(item: &Item, output: &mut Output<'_>) {
    let Some(path) = output.text_of(item) else { return };
    let new = Path::new(path).with_file_name(HISTORY).display().to_string();
    output.leave_out(item, "the history file has another form: import-history writes it from this database");
    output.comment(
        "history",
        "kafka-heartbeat import-history OLD NEW writes this file from the database of the time lag monitor.",
    );
    output.put_plain("history", "path", &new, item);
    let words = ["kafka-heartbeat", "import-history", path, &new];
    if let Ok(command) = shlex::try_join(words) {
        output.note(format!("to keep what was measured, stop the time lag monitor and run: {command}"));
    }
}

fn exclude(key: &str, item: &Item, output: &mut Output<'_>) {
    // Without names, the default stays.
    if let Some(names) = output.list_of(item).filter(|names| !names.is_empty()) {
        output.put_plain("lag", key, &expression::of_names(names), item);
    }
}
