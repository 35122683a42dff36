//! What a real Prometheus answers to everything that dashboards and rules ask for, while a cluster lives through its day.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::world::{World, in_short};
use crate::support::operations::{dashboards, list, panels, queries, rules, text};

/// A query by where it stands and what it asks.
type Query = (String, String);

/// Asked at every turn of the day, until there is an answer.
pub(crate) struct Answers {
    /// What came first, and when.
    answers: BTreeMap<Query, Option<String>>,
}

impl Answers {
    /// Of panels the queries; of rules that record what they compute, of alerts what they look at: an alert that is silent
    /// answers nothing.
    pub(crate) fn new(world: &World) -> Self {
        let mut answers = BTreeMap::new();
        for (_, dashboard) in dashboards() {
            for panel in panels(&dashboard) {
                let place = format!("{}: {}", text(&dashboard["title"]), text(&panel["title"]));
                for query in queries(panel) {
                    answers.insert((place.clone(), query), None);
                }
            }
        }
        for rule in rules() {
            let expr = in_short(text(&rule["expr"])).trim().to_owned();
            if let Some(record) = rule["record"].as_str() {
                answers.insert((format!("records {record}"), expr), None);
                continue;
            }
            let parsed = world.prometheus("parse_query", &[("query", &expr)]);
            let selectors = selectors(&parsed);
            assert!(!selectors.is_empty(), "{expr} looks at nothing");
            for selector in selectors {
                answers.insert((format!("alert {}", text(&rule["alert"])), selector), None);
            }
        }
        Self { answers }
    }

    /// Asks what has no answer yet.
    pub(crate) fn ask(&mut self, world: &World, when: &str) {
        for ((_, expr), answer) in self.answers.iter_mut().filter(|(_, answer)| answer.is_none()) {
            let data = world.prometheus("query", &[("query", expr)]);
            *answer = told(&data).map(|told| format!("{told} ({when})"));
        }
    }

    /// Asks what still has no answer of the whole day, second by second: some troubles are short.
    pub(crate) fn ask_of_the_whole_day(&mut self, world: &World, begun: SystemTime) {
        let seconds = |at: SystemTime| {
            at.duration_since(UNIX_EPOCH).expect("a moment after 1970").as_secs().to_string()
        };
        let (start, end) = (seconds(begun), seconds(SystemTime::now()));
        for ((_, expr), answer) in self.answers.iter_mut().filter(|(_, answer)| answer.is_none()) {
            let range = [("query", expr.as_str()), ("start", &start), ("end", &end), ("step", "1")];
            let data = world.prometheus("query_range", &range);
            let series = list(&data["result"]);
            let mut values =
                series.iter().flat_map(|series| list(&series["values"])).map(|value| text(&value[1]));
            let value = values.rfind(|value| *value != "NaN");
            *answer = value.map(|value| format!("{} × {value} (for a while)", series.len()));
        }
    }

    /// What was never answered; all that was, is in a table in `target/tmp`.
    pub(crate) fn silent(&self) -> Vec<&Query> {
        let mut table = "| where | what | answer |\n|---|---|---|\n".to_owned();
        for ((place, expr), answer) in &self.answers {
            let expr = expr.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
            let answer = answer.as_deref().unwrap_or("none");
            writeln!(table, "| {place} | `{expr}` | {answer} |").expect("a string takes every line");
        }
        fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers.md"), table)
            .expect("the answers can be written to the folder of the build");
        self.answers.iter().filter(|(_, answer)| answer.is_none()).map(|(query, _)| query).collect()
    }
}

/// The number of series and one of their values; nothing, if there is none with a value.
fn told(data: &Value) -> Option<String> {
    let values: Vec<&str> = match text(&data["resultType"]) {
        "vector" => list(&data["result"]).iter().map(|series| text(&series["value"][1])).collect(),
        _ => vec![text(&data["result"][1])],
    };
    let value = values.iter().find(|value| **value != "NaN" && !value.is_empty())?;
    Some(format!("{} × {value}", values.len()))
}

/// The selectors of a parsed expression.
fn selectors(parsed: &Value) -> Vec<String> {
    match parsed {
        Value::Object(node) => {
            let kind = text(&parsed["type"]);
            if kind == "vectorSelector" || kind == "matrixSelector" {
                let matchers =
                    list(&parsed["matchers"]).iter().filter(|matcher| matcher["name"] != "__name__");
                let matchers = matchers.map(|matcher| {
                    format!("{}{}{}", text(&matcher["name"]), text(&matcher["type"]), matcher["value"])
                });
                let matchers: Vec<_> = matchers.collect();
                return vec![format!("{}{{{}}}", text(&parsed["name"]), matchers.join(","))];
            }
            node.values().flat_map(selectors).collect()
        }
        Value::Array(nodes) => nodes.iter().flat_map(selectors).collect(),
        _ => Vec::new(),
    }
}
