//! The values of a YAML file.

use serde_norway::Value as Node;

use super::item::{Item, Value};

/// The document of the file.
///
/// # Errors
/// The line and what is wrong there. The words never hold a value.
pub(super) fn document(text: &str) -> Result<Node, (usize, String)> {
    let mut document: Node = serde_norway::from_str(text).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        // The words of the parser name what it found, and that may be a part of a password.
        (line, "this is no YAML: check the indentation and the quotes".to_owned())
    })?;
    _ = document.apply_merge();
    Ok(document)
}

/// Every value of a document, in the order of the file.
pub(super) fn items(document: &Node, text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    collect(document, &[], text, &mut items);
    items
}

fn collect(node: &Node, path: &[String], text: &str, items: &mut Vec<Item>) {
    let nested = |inner: &Node| matches!(inner, Node::Mapping(_) | Node::Sequence(_) | Node::Tagged(_));
    match node {
        Node::Mapping(mapping) => {
            for (name, inner) in mapping {
                collect(inner, &[path, &[scalar(name)]].concat(), text, items);
            }
        }
        Node::Sequence(list) if list.iter().any(nested) => {
            for (index, inner) in list.iter().enumerate() {
                collect(inner, &[path, &[format!("[{index}]")]].concat(), text, items);
            }
        }
        Node::Tagged(tagged) => collect(&tagged.value, path, text, items),
        _ => {
            let value = match node {
                Node::Sequence(list) => Value::List(list.iter().map(scalar).collect()),
                Node::String(text) => Value::Text(text.clone()),
                Node::Null => Value::Empty,
                other => Value::Plain(scalar(other)),
            };
            items.push(Item { line: line_of(path, text), path: path.to_vec(), value });
        }
    }
}

/// A text, a number or a switch as it is written; empty for everything else.
pub(super) fn scalar(node: &Node) -> String {
    match node {
        Node::String(text) => text.clone(),
        Node::Number(number) => number.to_string(),
        Node::Bool(switch) => switch.to_string(),
        _ => String::new(),
    }
}

/// The line of the key that a path leads to, which the parser does not keep. `None` if the keys are written in a form that is not
/// found, such as `{a: 1, b: 2}`; the places of lists are not looked for.
pub(super) fn line_of(path: &[String], text: &str) -> Option<usize> {
    let mut lines = text.lines().enumerate();
    let mut found = None;
    let mut least = 0;
    for name in path.iter().filter(|name| !name.starts_with('[')) {
        let (index, line) = lines.find(|(_, line)| {
            let content = line.trim_start();
            let content = content.strip_prefix("- ").unwrap_or(content);
            let content = content.trim_start_matches(['"', '\'']);
            let rest = content.strip_prefix(name.as_str()).map(|rest| rest.trim_start_matches(['"', '\'']));
            indentation(line) >= least && rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
        })?;
        least = indentation(line) + 1;
        found = Some(index + 1);
    }
    found
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_paths_lines_and_kinds() {
        let text = "# head\nkafka:\n  path: top\nexclude:\n  topics: [a, 1]\n  groups: []\ndatabase:\n  path: 'x'\n  n: 5\n  none:\n";
        let items = items(&document(text).expect("YAML"), text);
        let seen: Vec<_> =
            items.iter().map(|item| (item.line.unwrap_or(0), item.key(), item.value.clone())).collect();
        let list = |list: &[&str]| Value::List(list.iter().map(|text| (*text).to_owned()).collect());
        let expected = [
            (3, "kafka.path", Value::Text("top".to_owned())),
            (5, "exclude.topics", list(&["a", "1"])),
            (6, "exclude.groups", list(&[])),
            (8, "database.path", Value::Text("x".to_owned())),
            (9, "database.n", Value::Plain("5".to_owned())),
            (10, "database.none", Value::Empty),
        ];
        assert_eq!(seen, expected.map(|(line, key, value)| (line, key.to_owned(), value)));
    }

    #[test]
    fn error_names_the_line_and_no_value() {
        let (line, words) = document("kafka:\n  a: 1\n  sasl_password: \"hush\n").expect_err("an open quote");
        assert!((2..=4).contains(&line) && !words.contains("hush"), "{line} {words}");
    }
}
