//! The README of the chart lists every value: it is written from `values.yaml` and its comments.

use std::{env, fs};

use crate::operations::root;

/// A line of `values.yaml` that sets a value, with the comment above it.
struct Entry {
    path: String,
    default: String,
    meaning: String,
}

/// The values that are no group of others, in the order of the file. A value without a comment has that of its group.
fn entries(values: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut groups: Vec<(usize, String, String)> = Vec::new();
    let mut comment = Vec::new();
    let lines: Vec<&str> = values.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        if let Some(words) = text.strip_prefix("# ") {
            comment.push(words);
            continue;
        }
        let Some((key, value)) = text.split_once(':').filter(|(key, _)| !key.contains(' ')) else {
            comment.clear();
            continue;
        };
        groups.retain(|(outer, ..)| *outer < indent);
        let path: Vec<&str> = groups.iter().map(|(_, key, _)| key.as_str()).chain([key]).collect();
        let path = path.join(".");
        let meaning = match comment.join(" ") {
            own if !own.is_empty() => own,
            _ => groups.last().map(|(.., words)| words.clone()).unwrap_or_default(),
        };
        comment.clear();
        let is_text = value.trim() == "|";
        let is_group = value.trim().is_empty();
        if is_group || is_text {
            groups.push((indent, key.to_owned(), meaning.clone()));
        }
        if !is_group {
            let below =
                lines[at + 1..].iter().take_while(|line| line.starts_with("  ")).map(|line| line.trim());
            let default = if is_text { below.collect::<Vec<_>>().join(" ") } else { value.trim().to_owned() };
            entries.push(Entry { path, default, meaning });
        }
    }
    entries
}

#[test]
fn readme_of_the_chart_lists_every_value_with_its_default_and_its_meaning() {
    let folder = root().join("charts/kafka-heartbeat");
    let values = fs::read_to_string(folder.join("values.yaml")).expect("the values");
    let entries = entries(&values);
    assert!(entries.len() > 50, "{} values were found", entries.len());
    let rows: String = entries
        .iter()
        .map(|Entry { path, default, meaning }| {
            assert!(!meaning.is_empty(), "{path} has no comment in values.yaml");
            format!("| `{path}` | `{default}` | {} |\n", meaning.replace('|', "\\|"))
        })
        .collect();
    let file = folder.join("README.md");
    let readme = fs::read_to_string(&file).expect("the README");
    let (head, _) = readme.split_once("|---|---|---|\n").expect("a table");
    let expected = format!("{head}|---|---|---|\n{rows}");
    if env::var_os("BLESS").is_some() {
        fs::write(&file, &expected).expect("the README");
    }
    let readme = fs::read_to_string(&file).expect("the README");
    assert_eq!(readme, expected, "write it again with BLESS=1");
}
