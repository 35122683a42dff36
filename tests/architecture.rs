//! The layers hold: a module names only modules to its left, says what it is for, and stays short.
//!
//! The text of the sources is read, not their meaning: `crate::x` in code counts, in comments it does not.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the bottom up. What is not listed wires the rest together and may name everything.
const LAYERS: [&str; 21] = [
    "clock",
    "closed_enum",
    "sync",
    "text",
    "catalog",
    "config",
    "kafka",
    "latency",
    "task",
    "cluster",
    "probe",
    "collect",
    "timelag",
    "evaluate",
    "store",
    "monitor",
    "verdict",
    "board",
    "metrics",
    "export",
    "http",
];
const WIRING: [&str; 16] = [
    "acls",
    "fuzz",
    "main",
    "lib",
    "app",
    "certificates",
    "cli",
    "demo",
    "logs",
    "oneshot",
    "healthcheck",
    "process",
    "push",
    "refusals",
    "slo",
    "supervisor",
];
/// Not named although they lie to the left: exporters see what was measured, never the cluster, and what is collected needs
/// no probe.
const FORBIDDEN: [(&str, &str); 2] = [("export", "kafka"), ("collect", "probe")];
const MOST_LINES: usize = 400;
/// A table, not code: it grows by a row for each metric.
const TABLE: &str = "catalog/";

#[test]
fn every_source_file_keeps_to_its_layer() {
    let problems: Vec<_> = sources().iter().flat_map(|(path, text)| problems(path, text)).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_sources_were_found() {
    assert!(sources().len() > 10);
}

#[test]
fn a_wrong_import_is_a_problem_however_it_is_written() {
    let wrong = [
        "//! x\nuse crate::metrics::Series;",
        "//! x\nuse crate::{\n    config,\n    http::{self, page},\n};",
        "//! x\nuse crate::{task::{Cycle, run}, board::Board};",
        "//! x\nfn f() -> crate::export::Report {}",
        "//! x\nuse kafka_heartbeat::app;",
    ];
    for text in wrong {
        assert_eq!(problems("probe/topic.rs", text).len(), 1, "{text}");
    }
    assert_eq!(problems("export/otlp.rs", "//! x\nuse crate::kafka::Fault;").len(), 1);
    assert_eq!(problems("surprise.rs", "//! x\n").len(), 1, "a new module needs a layer");
}

#[test]
fn a_right_import_a_comment_and_a_test_are_no_problem() {
    let right = "//! See [`crate::http`].\nuse crate::{config, kafka::{self, admin::http}};\n// crate::board\n\
                 use super::board;\n#[cfg(test)]\nmod tests { use crate::metrics::Series; }";
    assert_eq!(problems("probe/topic.rs", right), Vec::<String>::new());
    assert_eq!(problems("app.rs", "//! x\nuse crate::http;"), Vec::<String>::new());
}

#[test]
fn a_file_without_a_doc_or_with_too_many_lines_is_a_problem() {
    assert_eq!(problems("task.rs", "use std::fmt;").len(), 1);
    let long = format!("//! x\n{}", "\n".repeat(MOST_LINES));
    assert_eq!(problems("task.rs", &long).len(), 1);
    let tested = format!("//! x\n#[cfg(test)]\n{}", "\n".repeat(MOST_LINES));
    assert_eq!(problems("task.rs", &tested), Vec::<String>::new());
    assert_eq!(problems("probe/topic/plan/tests.rs", &long).len(), 1);
    assert_eq!(problems("probe/topic/plan/tests.rs", "//! x\nuse crate::http;"), Vec::<String>::new());
}

/// What is wrong with a file, by its path under `src`.
fn problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push(format!("{path}: begins without a module doc"));
    }
    let code = text.split("#[cfg(test)]\nmod ").next().expect("a split has a first part");
    let lines = code.split("#[cfg(test)]").next().map_or(0, |code| code.lines().count());
    if lines > MOST_LINES && !path.starts_with(TABLE) {
        problems.push(format!("{path}: {lines} lines before its tests, {MOST_LINES} are the limit"));
    }
    let module = path.split(['/', '.']).next().expect("a split has a first part");
    // Tests may name whatever they need.
    if WIRING.contains(&module) || path.ends_with("tests.rs") || path.contains("/tests/") {
        return problems;
    }
    let Some(own) = layer(module) else {
        problems.push(format!("{path}: the module {module} has no place among the layers"));
        return problems;
    };
    for named in named_modules(code) {
        let allowed = layer(&named).is_some_and(|layer| layer <= own);
        if !allowed || FORBIDDEN.contains(&(module, named.as_str())) {
            problems.push(format!("{path}: {module} must not name {named}"));
        }
    }
    problems
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// The top-level modules that follow `crate::`, in groups too, each once.
fn named_modules(code: &str) -> Vec<String> {
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().expect("a split has a first part"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut names: Vec<String> = Vec::new();
    for root in ["crate::", "kafka_heartbeat::"] {
        for rest in code.split(root).skip(1) {
            match rest.strip_prefix('{') {
                Some(group) => names.extend(heads(group)),
                None => names.push(word(rest).to_owned()),
            }
        }
    }
    names.sort();
    names.dedup();
    names.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    names
}

/// The first word of each item of a brace group, inner groups skipped.
fn heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut at_start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if at_start && !c.is_whitespace() => {
                heads.push(word(&group[at..]).to_owned());
                at_start = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// Every Rust file under `src` with its path from there.
fn sources() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("it was found in there").display().to_string();
            found.push((name, fs::read_to_string(&path).expect("a source can be read")));
        }
    }
}
