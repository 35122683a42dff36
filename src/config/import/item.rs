//! One value in a file of an older program.

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The line of the file; `None` if it is not known.
    pub(super) line: Option<usize>,
    /// The names that lead to the value, from the outside to the inside. The place in a list is written `[0]`.
    pub(super) path: Vec<String>,
    /// The value.
    pub(super) value: Value,
}

/// A value as its format distinguishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A number, `true`, `false` or a date: what stands in the file without quotes.
    Plain(String),
    /// A list of texts and numbers.
    List(Vec<String>),
    /// No value.
    Empty,
}

impl Item {
    /// A value that is a text.
    pub(super) fn text(line: usize, path: &[&str], value: impl Into<String>) -> Self {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        Self { line: Some(line), path, value: Value::Text(value.into()) }
    }

    /// The names that lead to the value.
    pub(super) fn names(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The key as a person would write it: `clusters[0].name`.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        for name in &self.path {
            if !key.is_empty() && !name.starts_with('[') {
                key.push('.');
            }
            key += name;
        }
        key
    }

    /// The value as it was written, without quotes. A list is separated by commas.
    pub(super) fn written(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::Plain(text) => text.clone(),
            Value::List(list) => list.join(", "),
            Value::Empty => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_written_as_a_path_and_a_list_with_commas() {
        let mut item = Item::text(1, &["clusters", "[0]", "labels", "a.b"], "x");
        assert_eq!((item.key().as_str(), item.written().as_str()), ("clusters[0].labels.a.b", "x"));
        item.value = Value::List(vec!["one".to_owned(), "two".to_owned()]);
        assert_eq!(item.written(), "one, two");
    }
}
