//! From a text to sections, keys, values and line numbers. Nothing here depends on Kafka.
//!
//! A line is `[section]`, `key = value`, or a comment that begins with `;` or `#`. A value is everything after
//! the first `=`, without the blanks around it. There are no quotes, no escapes and no comments after a value, so that
//! any password can be written as it is.

/// One `key = value` of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// A line that cannot be read, or that repeats a section or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: usize,
    pub(super) message: String,
}

/// What a text holds.
#[derive(Default)]
pub(super) struct Document {
    /// The names of the sections in the order of the text, each once. A section without a key is among them.
    pub(super) sections: Vec<String>,
    /// Every key with its value, in the order of the text.
    pub(super) entries: Vec<Entry>,
    /// The lines that cannot be read.
    pub(super) bad_lines: Vec<BadLine>,
}

/// Reads all lines that can be read, and says what is wrong with the others. The messages never hold a value.
pub(super) fn parse(text: &str) -> Document {
    let mut document = Document::default();
    // The line in which each section begins, as long as `sections`.
    let mut first_lines: Vec<usize> = Vec::new();
    let mut section: Option<String> = None;
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = index + 1;
        let content = raw.trim();
        if content.is_empty() || content.starts_with([';', '#']) {
            continue;
        }
        let read = if content.starts_with('[') {
            read_section(content).and_then(|name| {
                section = Some(name.to_owned());
                match document.sections.iter().position(|known| known == name) {
                    Some(first) => {
                        let first = first_lines[first];
                        Err(format!("[{name}] is already there in line {first}: join the two"))
                    }
                    None => {
                        document.sections.push(name.to_owned());
                        first_lines.push(line);
                        Ok(())
                    }
                }
            })
        } else {
            read_entry(line, content, section.as_deref(), &document.entries)
                .map(|entry| document.entries.push(entry))
        };
        if let Err(message) = read {
            document.bad_lines.push(BadLine { line, message });
        }
    }
    document
}

/// The name of a section in its brackets.
fn read_section(content: &str) -> Result<&str, String> {
    let name = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::trim);
    name.filter(|name| !name.is_empty()).ok_or_else(|| "expected [section]".to_owned())
}

/// A line `key = value` of a section.
fn read_entry(line: usize, content: &str, section: Option<&str>, entries: &[Entry]) -> Result<Entry, String> {
    let Some((key, value)) = content.split_once('=') else {
        return Err("expected key = value, [section] or a comment line".to_owned());
    };
    let key = key.trim();
    let Some(section) = section else { return Err(format!("{key} stands before the first [section]")) };
    if key.is_empty() || key.contains(char::is_control) {
        return Err("expected a key in front of =".to_owned());
    }
    if let Some(first) = entries.iter().find(|entry| entry.section == section && entry.key == key) {
        return Err(format!("[{section}] {key} is already set in line {}", first.line));
    }
    let value = value.trim().to_owned();
    Ok(Entry { line, section: section.to_owned(), key: key.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn value_with_backslashes_and_semicolons_is_taken_as_it_is_written() {
        let text = "\u{feff}[a]\r\nk = C:\\new\\table ; no comment # either\r\n[b]\nx==y=\n  y =\n";
        let Document { sections, entries, bad_lines } = parse(text);
        assert_eq!(bad_lines, []);
        assert_eq!(sections, ["a", "b"]);
        let found: Vec<_> = entries.iter().map(|e| (e.line, &*e.section, &*e.key, &*e.value)).collect();
        let windows = "C:\\new\\table ; no comment # either";
        assert_eq!(found, [(2, "a", "k", windows), (4, "b", "x", "=y="), (5, "b", "y", "")]);
    }

    #[test]
    fn bad_line_is_reported_and_the_other_lines_are_read() {
        let Document { entries, bad_lines, .. } =
            parse("early = 1\n[a]\nnonsense\n[open\n= 3\nk = 1\nk = 2\n[a]\nz = 1\n");
        let found: Vec<_> = bad_lines.iter().map(|bad| format!("{}: {}", bad.line, bad.message)).collect();
        let expected = [
            "1: early stands before the first [section]",
            "3: expected key = value, [section] or a comment line",
            "4: expected [section]",
            "5: expected a key in front of =",
            "7: [a] k is already set in line 6",
            "8: [a] is already there in line 2: join the two",
        ];
        assert_eq!(found, expected);
        assert_eq!(entries.len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text: String) {
            for entry in parse(&text).entries {
                prop_assert!(entry.line >= 1 && !entry.key.is_empty());
            }
        }
    }
}
