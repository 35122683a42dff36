//! Text to sections, keys, values and line numbers. Knows nothing of Kafka.
//!
//! `[section]`, `key = value`, and comment lines that begin with `;` or `#`. A value is everything after
//! the first `=`, without the blanks around it: no quotes, no escapes, no comments behind it, so that any
//! password can be written as it is.

/// One `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// A line that cannot be read, or says something twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Reads everything that can be read, and what is wrong with the rest. Values are never quoted.
pub(super) fn parse(text: &str) -> (Vec<Entry>, Vec<BadLine>) {
    let (mut entries, mut bad) = (Vec::<Entry>::new(), Vec::new());
    let mut sections: Vec<(String, usize)> = Vec::new();
    let mut section: Option<String> = None;
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let (line, content) = (index + 1, raw.trim());
        let mut refuse = |message: String| bad.push(BadLine { line, message });
        if content.is_empty() || content.starts_with([';', '#']) {
            continue;
        }
        if let Some(rest) = content.strip_prefix('[') {
            match rest.strip_suffix(']').map(str::trim) {
                Some(name) if !name.is_empty() => {
                    match sections.iter().find(|(known, _)| known == name) {
                        Some((_, first)) => {
                            refuse(format!("[{name}] is already there in line {first}: join the two"))
                        }
                        None => sections.push((name.to_owned(), line)),
                    }
                    section = Some(name.to_owned());
                }
                _ => refuse("expected [section]".to_owned()),
            }
            continue;
        }
        let Some((key, value)) = content.split_once('=') else {
            refuse("expected key = value, [section] or a comment line".to_owned());
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        let Some(section) = &section else {
            refuse(format!("{key} stands before the first [section]"));
            continue;
        };
        if key.is_empty() || key.contains(char::is_control) {
            refuse("expected a key in front of =".to_owned());
            continue;
        }
        let same = |entry: &&Entry| entry.section == *section && entry.key == key;
        if let Some(first) = entries.iter().find(same) {
            refuse(format!("[{section}] {key} is already set in line {}", first.line));
            continue;
        }
        entries.push(Entry { line, section: section.clone(), key: key.to_owned(), value: value.to_owned() });
    }
    (entries, bad)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_taken_as_they_are_written() {
        let text = "\u{feff}[a]\r\nk = C:\\new\\table ; no comment # either\r\n[b]\nx==y=\n  y =\n";
        let (entries, bad) = parse(text);
        assert_eq!(bad, []);
        let found: Vec<_> = entries.iter().map(|e| (e.line, &*e.section, &*e.key, &*e.value)).collect();
        let windows = "C:\\new\\table ; no comment # either";
        assert_eq!(found, [(2, "a", "k", windows), (4, "b", "x", "=y="), (5, "b", "y", "")]);
    }

    #[test]
    fn every_bad_line_is_named_and_the_rest_is_read() {
        let (entries, bad) = parse("early = 1\n[a]\nnonsense\n[open\n= 3\nk = 1\nk = 2\n[a]\nz = 1\n");
        let found: Vec<_> = bad.iter().map(|bad| format!("{}: {}", bad.line, bad.message)).collect();
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
        fn no_text_is_the_end(text: String) {
            let (entries, _) = parse(&text);
            for entry in entries {
                prop_assert!(entry.line >= 1 && !entry.key.is_empty());
            }
        }
    }
}
