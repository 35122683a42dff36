//! What `config.example.ini` says about each key, for documents that are generated.

use super::known::EXAMPLE;

/// A section of the example file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReferenceSection {
    /// The name of the section without brackets; empty for the comment at the head of the file.
    pub name: String,
    /// The comments and keys, in the order of the file.
    pub entries: Vec<ReferenceEntry>,
}

/// A comment and the keys below it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReferenceEntry {
    /// The lines of the comment without the semicolon; none for keys without a comment.
    pub comment: Vec<String>,
    /// Each key with its default. There is no key below a comment about the section itself.
    pub keys: Vec<(String, String)>,
}

/// Every section of the example file, in its order. The head of the file comes first.
pub fn reference() -> Vec<ReferenceSection> {
    read(EXAMPLE)
}

fn read(text: &str) -> Vec<ReferenceSection> {
    let mut sections = Vec::new();
    let mut section = ReferenceSection::default();
    let mut entry = ReferenceEntry::default();
    for line in text.lines() {
        let comment = line.strip_prefix(';').map(str::trim);
        // A comment that follows a key or an empty line begins another entry.
        if comment.is_none_or(str::is_empty) && !line.contains('=')
            || comment.is_some() && !entry.keys.is_empty()
        {
            keep(&mut section, &mut entry);
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let next = ReferenceSection { name: name.to_owned(), ..ReferenceSection::default() };
            sections.push(std::mem::replace(&mut section, next));
        } else if let Some(comment) = comment.filter(|comment| !comment.is_empty()) {
            entry.comment.push(comment.to_owned());
        } else if let Some((key, default)) = line.split_once('=') {
            entry.keys.push((key.trim().to_owned(), default.trim().to_owned()));
        }
    }
    keep(&mut section, &mut entry);
    sections.push(section);
    sections
}

/// Adds an entry to its section, unless the entry is empty, and begins the next entry.
fn keep(section: &mut ReferenceSection, entry: &mut ReferenceEntry) {
    let entry = std::mem::take(entry);
    if entry != ReferenceEntry::default() {
        section.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ini, known::EXAMPLE};

    #[test]
    fn comment_belongs_to_the_keys_below_it() {
        let read = read(
            "; head\n;\n; more\n\n[a]\n; about\n; two\nk = 1\nl =\n; alone\n\n; x = y=z\nm = a = b\n[b]\n",
        );
        let entry = |comment: &[&str], keys: &[(&str, &str)]| ReferenceEntry {
            comment: comment.iter().map(|line| (*line).to_owned()).collect(),
            keys: keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let section = |name: &str, entries| ReferenceSection { name: name.to_owned(), entries };
        let expected = [
            section("", vec![entry(&["head"], &[]), entry(&["more"], &[])]),
            section(
                "a",
                vec![
                    entry(&["about", "two"], &[("k", "1"), ("l", "")]),
                    entry(&["alone"], &[]),
                    entry(&["x = y=z"], &[("m", "a = b")]),
                ],
            ),
            section("b", vec![]),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn reference_has_every_key_of_the_example() {
        let keys = reference().into_iter().flat_map(|section| {
            let keys = section.entries.into_iter().flat_map(|entry| entry.keys);
            keys.map(move |(key, value)| (section.name.clone(), key, value)).collect::<Vec<_>>()
        });
        let entries = ini::parse(EXAMPLE).entries;
        let expected: Vec<_> =
            entries.into_iter().map(|entry| (entry.section, entry.key, entry.value)).collect();
        assert_eq!(keys.collect::<Vec<_>>(), expected);
    }
}
