//! What a process is given to configure itself: a file, the environment and the command line.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    environment,
    place::Place,
    settings::{Setting, Settings},
};

/// The flag that names brokers.
pub(super) const BOOTSTRAP_FLAG: &str = "--bootstrap-servers";

/// What the process is given.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`; `None` for a configuration without a file.
    pub file: Option<PathBuf>,
    /// The environment variables by name.
    pub env: BTreeMap<String, String>,
    /// `--bootstrap-servers`; `None` if the flag is absent.
    pub bootstrap: Option<String>,
    /// `-X key=value`, in the order of the command line.
    pub properties: Vec<(String, String)>,
    /// `--listen`; `None` if the flag is absent.
    pub listen: Option<String>,
    /// `--log.format`; `None` if the flag is absent.
    pub log_format: Option<String>,
    /// Settings of further flags.
    pub settings: Vec<FlagSetting>,
}

/// A setting that a flag gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagSetting {
    /// The section of the INI file that the key belongs to, without brackets.
    pub section: &'static str,
    /// The key of the section.
    pub key: String,
    /// The value, as it would be written in the INI file.
    pub value: String,
    /// The flag, as error messages name it.
    pub flag: &'static str,
}

impl Sources {
    /// Whether nothing names a cluster: no file, no broker, no property and no variable of ours is given.
    pub fn is_empty(&self) -> bool {
        let flags = self.file.is_none() && self.bootstrap.is_none() && self.properties.is_empty();
        flags && !self.env.keys().any(|name| name.starts_with(environment::PREFIX))
    }

    /// The settings of the command line.
    pub(super) fn flags(&self) -> Settings {
        let mut settings = Settings::default();
        let mut set = |section: &str, key: &str, value: &str, flag| {
            settings.set(section, key, Setting::new(value, Place::Flag(flag)));
        };
        for (key, value) in &self.properties {
            set("kafka", key, value, "-X");
        }
        for FlagSetting { section, key, value, flag } in &self.settings {
            set(section, key, value, flag);
        }
        let flags = [
            ("kafka", "bootstrap.servers", &self.bootstrap, BOOTSTRAP_FLAG),
            ("http", "listen", &self.listen, "--listen"),
            ("log", "format", &self.log_format, "--log.format"),
        ];
        for (section, key, value, flag) in flags {
            if let Some(value) = value {
                set(section, key, value, flag);
            }
        }
        settings
    }
}
