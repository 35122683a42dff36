//! The answers of a real Prometheus to all queries of dashboards and rules, at every stage of the test.

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

/// A query: the panel or rule that contains it, and its expression.
type Query = (String, String);

/// Queries that are sent at every stage of the test until they have an answer.
pub(crate) struct Answers {
    /// The first answer to each query and the stage of the test; absent until there is an answer.
    answers: BTreeMap<Query, Option<String>>,
}

impl Answers {
    /// All queries, without answers: the queries of panels, the expressions of recording rules, and the selectors of alerts,
    /// because the expression of a silent alert has no result.
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
            assert!(!selectors.is_empty(), "{expr} selects no series");
            for selector in selectors {
                answers.insert((format!("alert {}", text(&rule["alert"])), selector), None);
            }
        }
        Self { answers }
    }

    /// Sends each query that has no answer yet. `when` names the stage of the test.
    pub(crate) fn ask(&mut self, world: &World, when: &str) {
        for ((_, expr), answer) in self.answers.iter_mut().filter(|(_, answer)| answer.is_none()) {
            let data = world.prometheus("query", &[("query", expr)]);
            *answer = summary(&data).map(|summary| format!("{summary} ({when})"));
        }
    }

    /// Sends each query that still has no answer for every second since `begun`, because some states are short.
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

    /// The queries without an answer. A table of all queries and answers is written to `target/tmp`.
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

/// The number of series and one of their values; absent if no series has a value.
fn summary(data: &Value) -> Option<String> {
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
