//! The environment of the topic freshness exporter, from a file.

use std::collections::BTreeMap;

use super::{
    super::{legacy, place::Place, settings::Setting},
    env_file::{Variable, variables},
    item::Item,
    output::Output,
};

/// The variables that are needed, with the remedy for a file that lacks one.
const NEEDED: [(&str, &str); 2] = [
    ("TOPIC_PREFIX", "is missing: it begins the names of the topics that are watched"),
    ("KAFKA_BOOTSTRAP_SERVERS", "is missing: name the brokers there"),
];

/// Reads the variables as the service does when they are in its environment.
pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let (found, bad_lines) = variables(text);
    for line in bad_lines {
        output.wrong(Some(line), "expected NAME=VALUE or a comment line");
    }
    // The last one of two variables with the same name counts, as in a shell.
    let found: BTreeMap<String, Variable> =
        found.into_iter().map(|variable| (variable.name.clone(), variable)).collect();
    for (name, problem) in NEEDED {
        if found.get(name).is_none_or(|variable| variable.written.is_empty()) {
            output.wrong(found.get(name).map(|variable| variable.line), &format!("{name} {problem}"));
        }
    }
    let item = |variable: &Variable| Item::text(variable.line, &[&variable.name], &*variable.written);
    let mut usable = BTreeMap::new();
    for variable in found.values() {
        match &variable.value {
            // An empty variable counts as absent.
            Some(value) if !value.is_empty() => _ = usable.insert(variable.name.clone(), value.clone()),
            Some(_) => {}
            None => _ = output.form_of(&item(variable), None),
        }
    }
    output.explain_heartbeats("The topic freshness exporter");
    let mut taken = vec!["TOPIC_PREFIX".to_owned()];
    let settings = legacy::freshness_exporter(&usable);
    for (section, keys) in settings.sections() {
        for (key, Setting { value, place, .. }) in keys {
            let Place::Environment(name) = place else { continue };
            let Some(variable) = found.get(name) else { continue };
            taken.push(name.clone());
            check(variable, &item(variable), output);
            output.put(section, key, value, &item(variable));
        }
    }
    for (name, value) in &usable {
        if let Some(variable) = found.get(name).filter(|_| !taken.contains(name)) {
            rest(name, value, &item(variable), output);
        }
    }
}

/// Reports a number that is none. A variable that is replaced later cannot be checked.
fn check(variable: &Variable, item: &Item, output: &mut Output<'_>) {
    let is_replaced = variable.value.as_ref().is_some_and(|value| value.contains("${"));
    match variable.name.as_str() {
        _ if is_replaced => {}
        "SCRAPE_INTERVAL_SECONDS" => _ = output.number_of(item, 1),
        "METRICS_PORT" => _ = output.port_of(item),
        _ => {}
    }
}

/// A variable that has no key with the same meaning in every environment.
fn rest(name: &str, value: &str, item: &Item, output: &mut Output<'_>) {
    match name {
        "LOG_LEVEL" => output.put("log", "level", &legacy::level(value).to_lowercase(), item),
        "AWS_REGION" if output.has("kafka", "sasl.mechanism") => {
            output.put("kafka", "aws.region", value, item)
        }
        "AWS_REGION" => output.leave_out(item, "without a login at MSK no region is needed"),
        "CONSUMER_TIMEOUT_MS" => output.leave_out(item, "the service reads no records, so there is no poll"),
        "TOPIC_DISCOVERY_TIMEOUT_S" => {
            output.leave_out(item, "the requests of the service have deadlines of their own")
        }
        _ if name.starts_with("AWS_") => {
            output.leave_out(item, "the service reads it from the environment: keep it there");
        }
        _ => output.leave_out(item, "the topic freshness exporter has no such variable"),
    }
}
