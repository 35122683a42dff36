//! The values of a TOML file.

use toml_edit::{Document, Item as Node, Table, Value as TomlValue};

use super::item::{Item, Value};

/// Every value of the file in the order of the file.
///
/// # Errors
/// The line and what is wrong there. The words never hold a value.
pub(super) fn items(text: &str) -> Result<Vec<Item>, (usize, String)> {
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        (line, error.message().lines().next().unwrap_or_default().to_owned())
    })?;
    let mut items = Vec::new();
    table(document.as_table(), &[], text, &mut items);
    items.sort_by_key(|item| item.line);
    Ok(items)
}

/// The line of a byte of the text.
fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

fn table(table: &Table, path: &[String], text: &str, items: &mut Vec<Item>) {
    for (name, node) in table {
        let path = [path, &[name.to_owned()]].concat();
        match node {
            Node::Table(inner) => self::table(inner, &path, text, items),
            Node::ArrayOfTables(tables) => {
                for (index, inner) in tables.iter().enumerate() {
                    self::table(inner, &[&path[..], &[format!("[{index}]")]].concat(), text, items);
                }
            }
            Node::Value(inner) => value(inner, path, text, items),
            Node::None => {}
        }
    }
}

fn value(node: &TomlValue, path: Vec<String>, text: &str, items: &mut Vec<Item>) {
    let nested = |inner: &TomlValue| matches!(inner, TomlValue::InlineTable(_) | TomlValue::Array(_));
    match node {
        TomlValue::InlineTable(inner) => {
            for (name, inner) in inner {
                value(inner, [&path[..], &[name.to_owned()]].concat(), text, items);
            }
        }
        TomlValue::Array(list) if list.iter().any(nested) => {
            for (index, inner) in list.iter().enumerate() {
                value(inner, [&path[..], &[format!("[{index}]")]].concat(), text, items);
            }
        }
        _ => {
            let line = node.span().map(|span| line_of(text, span.start));
            items.push(Item { line, path, value: scalar(node) });
        }
    }
}

fn scalar(node: &TomlValue) -> Value {
    match node {
        TomlValue::String(text) => Value::Text(text.value().clone()),
        TomlValue::Integer(number) => Value::Plain(number.value().to_string()),
        TomlValue::Float(number) => Value::Plain(number.value().to_string()),
        TomlValue::Boolean(switch) => Value::Plain(switch.value().to_string()),
        TomlValue::Datetime(date) => Value::Plain(date.value().to_string()),
        TomlValue::Array(list) => {
            let text = |inner: &TomlValue| match scalar(inner) {
                Value::Text(text) | Value::Plain(text) => text,
                Value::List(_) | Value::Empty => String::new(),
            };
            Value::List(list.iter().map(text).collect())
        }
        TomlValue::InlineTable(_) => Value::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_paths_lines_and_kinds() {
        let text =
            "[a]\nb = 'x'\n\n[[c]]\nd = [ 'p',\n  'q' ]\ne = { f.g = 1, \"h.i\" = true }\n[[c]]\nd = []\n";
        let items = items(text).expect("TOML");
        let seen: Vec<_> =
            items.iter().map(|item| (item.line.unwrap_or(0), item.key(), item.value.clone())).collect();
        let list = |list: &[&str]| Value::List(list.iter().map(|text| (*text).to_owned()).collect());
        let expected = [
            (2, "a.b", Value::Text("x".to_owned())),
            (5, "c[0].d", list(&["p", "q"])),
            (7, "c[0].e.f.g", Value::Plain("1".to_owned())),
            (7, "c[0].e.h.i", Value::Plain("true".to_owned())),
            (9, "c[1].d", list(&[])),
        ];
        assert_eq!(seen, expected.map(|(line, key, value)| (line, key.to_owned(), value)));
    }

    #[test]
    fn error_names_the_line_and_no_value() {
        let (line, words) = items("[a]\npassword = hush\n").expect_err("no quotes");
        assert!(line == 2 && !words.is_empty() && !words.contains("hush"), "{line} {words}");
    }
}
