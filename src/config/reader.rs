//! From the texts of one section to typed values, with an error for each text that cannot be used.

use std::{path::PathBuf, str::FromStr, time::Duration};

use super::{
    error::{Errors, Problem},
    kafka::Properties,
    secret,
    secret_file::SecretFiles,
    settings::{Setting, Settings},
};

/// A view of one section of the settings.
///
/// Each method returns a value even if the text is wrong, so that every error of a configuration is found at once. Such
/// a value is never used, because a configuration with an error is refused.
pub(super) struct Reader<'a> {
    section: &'a str,
    settings: &'a Settings,
    errors: &'a mut Errors,
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'a str, settings: &'a Settings, errors: &'a mut Errors) -> Self {
        Self { section, settings, errors }
    }

    /// The name of the section.
    pub(super) fn name(&self) -> &'a str {
        self.section
    }

    /// The setting of a key; `None` if the key is set nowhere.
    pub(super) fn setting(&self, key: &str) -> Option<&'a Setting> {
        self.settings.get(self.section, key)
    }

    /// The text of a key; empty if the key is set nowhere.
    pub(super) fn text(&self, key: &str) -> &'a str {
        self.setting(key).map_or("", |setting| &setting.value)
    }

    /// The text of a key; `None` if it is empty.
    pub(super) fn optional(&self, key: &str) -> Option<&'a str> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    /// A path; `None` if the key is empty.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.optional(key).map(PathBuf::from)
    }

    /// The keys of the section as they are written.
    pub(super) fn properties(&self) -> Properties {
        Properties::read(self.section, self.settings)
    }

    /// The files of the secrets of the section.
    pub(super) fn secret_files(&self) -> SecretFiles {
        SecretFiles::of(self.section, self.settings)
    }

    /// Reports an error that names the key and its place.
    pub(super) fn problem(&mut self, key: &str, message: &str) {
        let place = self.setting(key).map(|setting| setting.place.to_string()).unwrap_or_default();
        self.errors.add(Problem { place, message: format!("[{}] {key}: {message}", self.section) });
    }

    /// Reports an error that is complete as it is.
    pub(super) fn add(&mut self, problem: Problem) {
        self.errors.add(problem);
    }

    /// Reports a value of another form than expected.
    pub(super) fn expected(&mut self, key: &str, what: &str) {
        let found = secret::shown(key, self.text(key));
        self.problem(key, &format!("expected {what}, found {found:?}"));
    }

    /// A value of a type that the standard library reads; `what` describes it in the error message.
    pub(super) fn parsed<T: FromStr + Default>(&mut self, key: &str, what: &str) -> T {
        self.text(key).parse().unwrap_or_else(|_| {
            self.expected(key, what);
            T::default()
        })
    }

    /// `true` or `false`.
    pub(super) fn switch(&mut self, key: &str) -> bool {
        self.parsed(key, "true or false")
    }

    /// The value of one of two words.
    pub(super) fn choice<T>(&mut self, key: &str, first: (&str, T), second: (&str, T)) -> T {
        let text = self.text(key);
        if text == first.0 {
            return first.1;
        }
        if text != second.0 {
            self.expected(key, &format!("{} or {}", first.0, second.0));
        }
        second.1
    }

    /// A number; `None` for `auto`.
    pub(super) fn automatic<T: FromStr>(&mut self, key: &str) -> Option<T> {
        let text = self.text(key);
        let parsed = text.parse().ok();
        if parsed.is_none() && text != "auto" {
            self.expected(key, "auto or a number");
        }
        parsed
    }

    /// A whole number that is not below `least`.
    pub(super) fn at_least(&mut self, key: &str, least: u32) -> u32 {
        let number = self.text(key).parse().ok().filter(|number| *number >= least);
        number.unwrap_or_else(|| {
            self.expected(key, &format!("a whole number of at least {least}"));
            least
        })
    }

    /// A number of seconds without a unit that is not below `least`.
    pub(super) fn seconds(&mut self, key: &str, least: u32) -> Duration {
        Duration::from_secs(self.at_least(key, least).into())
    }

    /// A duration with a unit, above zero.
    pub(super) fn duration(&mut self, key: &str) -> Duration {
        duration(self.text(key)).unwrap_or_else(|| {
            self.expected(key, "a duration such as 250ms, 10s or 5m");
            Duration::from_secs(1)
        })
    }

    /// The key `timeout`, but not more than the key `interval`: a cycle that lasts longer than the interval would
    /// always be late.
    pub(super) fn timeout(&mut self) -> Duration {
        self.duration("timeout").min(self.duration("interval"))
    }

    /// The texts of two keys that are useful only together; `None` if one of them is empty.
    pub(super) fn pair(&mut self, first: &str, second: &str) -> Option<(&'a str, &'a str)> {
        match (self.optional(first), self.optional(second)) {
            (Some(one), Some(other)) => return Some((one, other)),
            (None, None) => {}
            (None, Some(_)) => self.problem(second, &format!("needs {first} beside it")),
            (Some(_), None) => self.problem(first, &format!("needs {second} beside it")),
        }
        None
    }
}

/// A duration with a unit; `None` if the text is none, or if it is zero.
pub(super) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero())
}
