//! A choice of groups or topics by their names: `groups.include`, `topics.exclude`, `topics.prefix` and the like.

use std::collections::BTreeSet;

use regex::Regex;

use super::reader::Reader;

/// A choice of names.
#[derive(Debug, Clone)]
pub struct Filter {
    /// A chosen name matches this as a whole; `None` for every name.
    include: Option<Regex>,
    /// A chosen name does not match this as a whole; `None` for no name.
    exclude: Option<Regex>,
    /// A chosen name begins with one of these; every name does if there are none.
    prefix: Vec<String>,
    /// The names of `exclude.file`, which changes while the service runs.
    excluded: BTreeSet<String>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        let written = |filter: &Self| {
            let text =
                |expression: &Option<Regex>| expression.as_ref().map(|regex| regex.as_str().to_owned());
            (text(&filter.include), text(&filter.exclude))
        };
        written(self) == written(other) && self.prefix == other.prefix && self.excluded == other.excluded
    }
}

impl Filter {
    /// Reads the keys `NAMES.include` and `NAMES.exclude` of a section.
    pub(super) fn read(section: &mut Reader<'_>, names: &str) -> Self {
        Self {
            include: expression(section, &format!("{names}.include")),
            exclude: expression(section, &format!("{names}.exclude")),
            prefix: Vec::new(),
            excluded: BTreeSet::new(),
        }
    }

    /// Restricts the choice to names that begin with one of these prefixes, which semicolons separate.
    pub(super) fn with_prefix(self, prefix: &str) -> Self {
        let prefix = prefix.split(';').map(str::trim).filter(|prefix| !prefix.is_empty());
        Self { prefix: prefix.map(str::to_owned).collect(), ..self }
    }

    /// Whether a name is chosen.
    pub fn covers(&self, name: &str) -> bool {
        let begins = self.prefix.is_empty() || self.prefix.iter().any(|prefix| name.starts_with(prefix));
        begins
            && self.include.as_ref().is_none_or(|include| include.is_match(name))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(name))
            && !self.excluded.contains(name)
    }

    /// Whether `exclude.file` names this.
    pub(super) fn excludes(&self, name: &str) -> bool {
        self.excluded.contains(name)
    }

    /// Replaces the names of `exclude.file`.
    pub fn exclude(&mut self, names: BTreeSet<String>) {
        self.excluded = names;
    }
}

/// An expression that has to match a whole name; `None` if the key is empty. Kafka allows a group to have any name, so
/// `.` stands for every character, also for a line break.
fn expression(section: &mut Reader<'_>, key: &str) -> Option<Regex> {
    let text = section.optional(key)?;
    let whole = Regex::new(&format!("(?s)^(?:{text})$")).ok();
    if whole.is_none() {
        section.expected(key, "a regular expression");
    }
    whole
}
