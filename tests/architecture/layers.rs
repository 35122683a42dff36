//! A module names only modules below it.

use crate::{
    assert_none,
    source::{Source, folder, read, word},
};

/// From the bottom up.
const LAYERS: [&str; 42] = [
    "backoff",
    "clock",
    "closed_enum",
    "exit",
    "files",
    "newest",
    "sync",
    "text",
    "tls",
    "catalog",
    "config",
    "logs",
    "slo",
    "acls",
    "latency",
    "kafka",
    "healthcheck",
    "rest",
    "ha",
    "task",
    "certificates",
    "process",
    "cluster",
    "probe",
    "collect",
    "timelag",
    "evaluate",
    "store",
    "diagnosis",
    "monitor",
    "verdict",
    "availability",
    "report",
    "gate",
    "board",
    "boards",
    "refusals",
    "supervisor",
    "metrics",
    "export",
    "http",
    "push",
];
/// These wire the rest together and may name everything.
const WIRING: [&str; 7] = ["app", "cli", "demo", "fuzz", "lib", "main", "oneshot"];
/// Not named although they are below: exporters see what was measured, never the cluster, and the collection sees the
/// cluster, never a probe.
const FORBIDDEN: [(&str, &str); 2] = [("export", "kafka"), ("collect", "probe")];

#[test]
fn every_file_keeps_to_its_layer() {
    assert_none(&read(&folder()).iter().flat_map(problems).collect::<Vec<_>>());
}

#[test]
fn library_declares_its_modules_in_the_order_of_the_layers() {
    let library = include_str!("../../src/lib.rs");
    let declared = library
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let wiring = WIRING.into_iter().filter(|name| !["lib", "main"].contains(name));
    assert_eq!(declared.collect::<Vec<_>>(), LAYERS.into_iter().chain(wiring).collect::<Vec<_>>());
}

#[test]
fn code_map_lists_the_modules_in_the_order_of_the_layers() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/architecture.md");
    let page = std::fs::read_to_string(page).expect("the page can be read");
    let map = page.split("\n## ").find(|section| section.starts_with("Code map")).expect("a code map");
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let mapped: Vec<_> =
        rows.flat_map(|row| row.split("`, `")).map(|name| name.trim_end_matches('`')).collect();
    let wiring = WIRING.into_iter().filter(|name| !["lib", "main"].contains(name));
    assert_eq!(mapped, LAYERS.into_iter().chain(wiring).collect::<Vec<_>>());
}

#[test]
fn wrong_import_is_a_problem_however_it_is_written() {
    let wrong = [
        "use crate::metrics::Series;",
        "use crate::{\n    config,\n    http::{self, page},\n};",
        "use crate::{task::{Cycle, run}, board::Board};",
        "fn f() -> crate::export::Report {}",
        "use kafka_heartbeat::app;",
    ];
    for text in wrong {
        assert_eq!(problems(&Source::new("probe/topic.rs", text)).len(), 1, "{text}");
    }
    assert_eq!(problems(&Source::new("export/otlp.rs", "use crate::kafka::Fault;")).len(), 1);
    assert_eq!(problems(&Source::new("surprise.rs", "")).len(), 1, "a new module needs a layer");
}

#[test]
fn right_import_comment_and_test_are_no_problem() {
    let right = "//! See [`crate::http`].\nuse crate::{config, kafka::{self, admin::http}};\n// crate::board\n\
                 use super::board;\n#[cfg(test)]\nmod tests { use crate::metrics::Series; }";
    assert_none(&problems(&Source::new("probe/topic.rs", right)));
    assert_none(&problems(&Source::new("app.rs", "use crate::http;")));
    assert_none(&problems(&Source::new("probe/topic/plan/tests.rs", "use crate::http;")));
}

fn problems(source: &Source) -> Vec<String> {
    let (path, module) = (&source.path, source.module());
    if WIRING.contains(&module) || source.is_test() {
        return Vec::new();
    }
    let Some(own) = layer(module) else {
        return vec![format!("{path}: the module {module} has no place among the layers")];
    };
    let named = named_modules(&source.code).into_iter().filter(|named| {
        let allowed = layer(named).is_some_and(|layer| layer <= own);
        !allowed || FORBIDDEN.contains(&(module, named.as_str()))
    });
    named.map(|named| format!("{path}: {module} must not name {named}")).collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// The top-level modules that follow `crate::`, in groups too, each once.
fn named_modules(code: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for root in ["crate::", "kafka_heartbeat::"] {
        for rest in code.split(root).skip(1) {
            match rest.strip_prefix('{') {
                Some(group) => names.extend(first_words(group)),
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
fn first_words(group: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut depth = 0;
    let mut at_start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if at_start && !c.is_whitespace() => {
                words.push(word(&group[at..]).to_owned());
                at_start = false;
            }
            _ => {}
        }
    }
    words
}
