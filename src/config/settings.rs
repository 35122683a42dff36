//! Values by section and key: those of one source, or those of all sources laid over each other.

use std::{collections::BTreeMap, path::PathBuf};

use super::place::Place;

/// A value as it was written, and where it was written. The value may be a secret.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) place: Place,
    /// The file that holds the value; `None` for a value that is written in the source itself.
    pub(super) file: Option<PathBuf>,
}

impl Setting {
    /// A value that is written in the source itself.
    pub(super) fn new(value: impl Into<String>, place: Place) -> Self {
        Self { value: value.into(), place, file: None }
    }
}

/// The settings of one section by key.
pub(super) type Section = BTreeMap<String, Setting>;

/// The settings of all sections by the section's name.
#[derive(Clone, Default)]
pub(super) struct Settings(BTreeMap<String, Section>);

impl Settings {
    /// Sets a key, whether it was set before or not.
    pub(super) fn set(&mut self, section: &str, key: impl Into<String>, setting: Setting) {
        self.0.entry(section.to_owned()).or_default().insert(key.into(), setting);
    }

    /// The setting of a key; `None` if the key is set nowhere.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&Setting> {
        self.0.get(section)?.get(key)
    }

    /// The same settings, in which a named section also has the keys of the section for all of its kind, such as those of `[module]` in
    /// `[module:NAME]`. Its own keys win, and the keys in `except` are not taken over.
    pub(super) fn with_common(&self, section: &str, common: &str, except: &[&str]) -> Self {
        let mut settings = self.clone();
        for (key, setting) in self.section(common).filter(|(key, _)| !except.contains(&key.as_str())) {
            if self.get(section, key).is_none() {
                settings.set(section, &**key, setting.clone());
            }
        }
        settings
    }

    /// Whether there is a `[cluster:NAME]`.
    pub(super) fn has_clusters(&self) -> bool {
        self.0.keys().any(|section| section.starts_with("cluster:"))
    }

    /// The same settings without any `[cluster:NAME]`.
    pub(super) fn without_clusters(&self) -> Self {
        let others = self.0.iter().filter(|(section, _)| !section.starts_with("cluster:"));
        Self(others.map(|(section, keys)| (section.clone(), keys.clone())).collect())
    }

    /// Removes a key and returns its setting; `None` if the key is set nowhere.
    pub(super) fn remove(&mut self, section: &str, key: &str) -> Option<Setting> {
        self.0.get_mut(section)?.remove(key)
    }

    /// The settings of a section, ordered by key; none if the section is absent.
    pub(super) fn section(&self, name: &str) -> impl Iterator<Item = (&String, &Setting)> {
        self.0.get(name).into_iter().flatten()
    }

    /// The sections, ordered by name.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&String, &Section)> {
        self.0.iter()
    }

    /// The sections, ordered by name, for changing values.
    pub(super) fn sections_mut(&mut self) -> impl Iterator<Item = (&String, &mut Section)> {
        self.0.iter_mut()
    }
}
