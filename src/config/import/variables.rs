//! Variables such as `${NAME}` in values of older programs, in the form of our files.

use std::sync::LazyLock;

use regex::Regex;

use super::super::file::escaped;

/// The variables of klag-exporter: `${NAME}`, `${?NAME}` and `${NAME:-default}`.
static KLAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\$\{(\??)([^}:-]+)(?::-([^}]*))?\}").ok());

/// A text and the variables in it.
#[derive(Default)]
struct Parts {
    /// What is done, in the form of our files.
    done: String,
    /// The plain text since the last variable.
    plain: String,
    /// Whether a dollar sign stands before a variable. Our files have no form for it.
    is_impossible: bool,
}

impl Parts {
    fn variable(&mut self, name: &str, default: Option<&str>) {
        self.is_impossible |= self.plain.ends_with('$');
        self.flush();
        self.done += &match default {
            Some(default) => format!("${{{name}:-{default}}}"),
            None => format!("${{{name}}}"),
        };
    }

    fn flush(&mut self) {
        self.done += &escaped(&self.plain);
        self.plain.clear();
    }

    fn finish(mut self) -> Option<String> {
        self.flush();
        (!self.is_impossible).then_some(self.done)
    }
}

/// A value of klag-exporter; `None` if our files have no form for it.
pub(super) fn of_klag(text: &str) -> Option<String> {
    let mut parts = Parts::default();
    let mut end = 0;
    for found in KLAG.as_ref()?.captures_iter(text) {
        let all = found.get(0)?;
        parts.plain += &text[end..all.start()];
        // A variable that is not set is empty there. Here it is an error, unless the file says that it may be missing.
        let may_be_missing = found.get(1).is_some_and(|mark| !mark.is_empty());
        let default = found.get(3).map(|default| default.as_str()).or(may_be_missing.then_some(""));
        parts.variable(found.get(2)?.as_str(), default);
        end = all.end();
    }
    parts.plain += &text[end..];
    parts.finish()
}

/// A value that a shell or Docker Compose would read; `None` if it would be computed, or if our files have no form for it.
pub(super) fn of_shell(text: &str) -> Option<String> {
    let mut parts = Parts::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        parts.plain += before;
        if let Some(after) = after.strip_prefix('$') {
            parts.plain.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let (inside, after) = inner.split_once('}')?;
            let (name, how) = inside.split_at(name_length(inside));
            if name.is_empty() {
                return None;
            }
            match how.strip_prefix(':').unwrap_or(how).split_at_checked(1) {
                None if how.is_empty() => parts.variable(name, None),
                Some(("-", default)) => parts.variable(name, Some(default)),
                Some(("?", _)) => parts.variable(name, None),
                _ => return None,
            }
            rest = after;
        } else {
            let (name, after) = after.split_at(name_length(after));
            match (name.is_empty(), after.starts_with('(')) {
                (false, _) => parts.variable(name, None),
                (true, true) => return None,
                (true, false) => parts.plain.push('$'),
            }
            rest = after;
        }
    }
    parts.plain += rest;
    let is_computed = text.contains('`');
    parts.finish().filter(|_| !is_computed)
}

/// The length of the name of a variable at the beginning of a text; 0 if there is none.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_klag_exporter_keep_their_meaning() {
        let table = [
            ("plain", Some("plain")),
            ("${A}", Some("${A}")),
            ("x${?A}y", Some("x${A:-}y")),
            ("${A:-b:9092}", Some("${A:-b:9092}")),
            ("${a-b}", Some("$${a-b}")),
            ("$1${", Some("$1$${")),
            ("$${A}", None),
        ];
        for (written, expected) in table {
            assert_eq!(of_klag(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn variables_of_a_shell_keep_their_meaning() {
        let table = [
            ("b:1", Some("b:1")),
            ("$A-${B}", Some("${A}-${B}")),
            ("${A:-x}${B-y}${C:?no}", Some("${A:-x}${B:-y}${C}")),
            ("$${A} $$", Some("$${A} $")),
            ("cost: 5$", Some("cost: 5$")),
            ("$(date)", None),
            ("`date`", None),
            ("${A:+x}", None),
            ("${A", None),
            ("$$$A", None),
        ];
        for (written, expected) in table {
            assert_eq!(of_shell(written).as_deref(), expected, "{written}");
        }
    }
}
