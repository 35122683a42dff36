//! The files that a team operates with: rules, dashboards, and what else is YAML in the repository.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

/// Files of rules, by subject.
pub(crate) const SUBJECTS: [&str; 9] =
    ["brokers", "cluster", "diagnosis", "groups", "heartbeat", "jvm", "prober", "slo", "topics"];

/// Every rule of every subject.
pub(crate) fn rules() -> Vec<Value> {
    let files = fs::read_dir(root().join("prometheus/rules")).expect("rules").count();
    assert_eq!(files, SUBJECTS.len(), "a file of rules is not listed here");
    SUBJECTS.iter().flat_map(|subject| rules_of(subject)).collect()
}

/// The rules of one subject.
pub(crate) fn rules_of(subject: &str) -> Vec<Value> {
    let file = yaml(&format!("prometheus/rules/{subject}.yml"));
    list(&file["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

/// Every panel but the headings of rows.
pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != json!("row")).collect()
}

/// Every dashboard, with the path of its file.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let folder = root().join("grafana/dashboards");
    let dashboards: Vec<_> = fs::read_dir(folder)
        .expect("grafana/dashboards exists")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let words = fs::read_to_string(&path).expect("the dashboard can be read");
            let dashboard = serde_json::from_str(&words).expect("the dashboard is JSON");
            (path.display().to_string(), dashboard)
        })
        .collect();
    assert!(!dashboards.is_empty());
    dashboards
}

/// A YAML file of the repository, parsed.
pub(crate) fn yaml(file: &str) -> Value {
    serde_norway::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A file of the repository.
pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The items of an array; empty for any other value.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A string; empty for any other value.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every query in a dashboard, or in a part of one.
pub(crate) fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(expr) if key == "expr" => vec![expr.clone()],
                other => expressions(other),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// The queries of a dashboard as Grafana sends them, with "All" for every variable.
pub(crate) fn queries(value: &Value) -> Vec<String> {
    expressions(value).iter().map(|expr| filled(expr)).collect()
}

fn filled(expr: &str) -> String {
    let expr = expr.replace("$__rate_interval", "10s").replace("$__range", "60s");
    let mut filled = String::new();
    let mut rest = expr.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        let name = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
        filled += before;
        filled += ".+";
        rest = &after[name..];
    }
    filled + rest
}
