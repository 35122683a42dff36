//! The merged settings as a configuration file, with the source of each value and without secrets.

use std::fmt;

use super::{
    file::escaped,
    known::Known,
    place::Place,
    secret,
    settings::{Setting, Settings},
};

/// The first line, which says how to read the others.
const HEAD: &str =
    "; The configuration in force. The comment above a key is the source of its value. *** is a secret.\n";

/// The merged settings as INI.
///
/// Sections and keys have the order of `config.example.ini`; others follow by name. The source of a value is a comment
/// above the key, so that the text is a configuration file with the same meaning, but for its secrets.
#[derive(Clone)]
pub(super) struct Listing(String);

impl Listing {
    pub(super) fn new(settings: &Settings, known: &Known) -> Self {
        let mut text = HEAD.to_owned();
        let others = settings.sections().map(|(name, _)| name.as_str());
        let others = others.filter(|name| !known.sections().any(|known| known == *name));
        for section in known.sections().chain(others) {
            text.push_str(&format!("\n[{section}]\n"));
            let known = known.keys(section);
            for key in known {
                if let Some(setting) = settings.get(section, key) {
                    text.push_str(&entry(key, setting));
                }
            }
            for (key, setting) in settings.section(section).filter(|(key, _)| !known.contains(key)) {
                text.push_str(&entry(key, setting));
            }
        }
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listing")
    }
}

/// A comment with the source, and `key = value`.
fn entry(key: &str, Setting { value, place, .. }: &Setting) -> String {
    let source = match place {
        Place::Default { .. } => "default".to_owned(),
        place => place.to_string(),
    };
    // A secret that is empty is none. With *** it would be read back as one.
    let shown = if value.is_empty() { String::new() } else { secret::shown(key, value) };
    if shown.contains(['\n', '\r']) || shown.trim() != shown {
        let lines = shown.lines().map(|line| format!("; {}\n", line.trim_end())).collect::<String>();
        return format!(
            "; {source}; a file cannot hold the line breaks or the blanks around this value of {key}:\n{lines}"
        );
    }
    let line = format!("{key} = {}", escaped(&shown));
    format!("; {source}\n{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_of(key: &str, value: &str) -> String {
        let place = Place::Environment("X".to_owned());
        entry(key, &Setting::new(value, place))
    }

    #[test]
    fn value_is_printed_so_that_it_is_read_back() {
        assert_eq!(entry_of("topics.exclude", "a${b}"), "; environment X\ntopics.exclude = a$${b}\n");
        assert_eq!(entry_of("path", ""), "; environment X\npath =\n");
    }

    #[test]
    fn secret_is_masked_and_an_empty_secret_stays_empty() {
        assert_eq!(entry_of("sasl.password", "hush"), "; environment X\nsasl.password = ***\n");
        assert_eq!(entry_of("basic.password", ""), "; environment X\nbasic.password =\n");
        assert_eq!(entry_of("ssl.key.pem", "one\ntwo"), "; environment X\nssl.key.pem = ***\n");
    }

    #[test]
    fn value_that_a_file_cannot_hold_is_a_comment() {
        for value in ["one\n[http]\nlisten = 0.0.0.0:1", " blank", "one\rtwo\n"] {
            let printed = entry_of("ssl.ca.pem", value);
            assert!(
                printed.lines().all(|line| line.starts_with(';')) && printed.ends_with('\n'),
                "{printed}"
            );
        }
    }
}
