//! What a process was given to configure itself: a file, the environment and the command line.

use std::{collections::BTreeMap, path::PathBuf};

use super::layer::{Layer, PREFIX};

/// What the process was given.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// `--bootstrap-servers`
    pub bootstrap: Option<String>,
    /// `-X key=value`, in order.
    pub properties: Vec<(String, String)>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--log.format`
    pub log_format: Option<String>,
    /// Other settings of the command line: section, key, value, flag.
    pub settings: Vec<(&'static str, String, String, &'static str)>,
}

impl Sources {
    /// Whether nobody said how a cluster is reached: no file, no broker, no property and no variable of ours.
    pub fn is_empty(&self) -> bool {
        let flags = self.file.is_none() && self.bootstrap.is_none() && self.properties.is_empty();
        flags && !self.env.keys().any(|name| name.starts_with(PREFIX))
    }

    /// The layer of the command line.
    pub(super) fn flags(&self) -> Layer {
        let given = |section, key: &str, value: &Option<String>, flag| {
            value.clone().map(|value| (section, key.to_owned(), value, flag))
        };
        let properties =
            self.properties.iter().map(|(key, value)| ("kafka", key.clone(), value.clone(), "-X"));
        let flags = [
            given("kafka", "bootstrap.servers", &self.bootstrap, "--bootstrap-servers"),
            given("http", "listen", &self.listen, "--listen"),
            given("log", "format", &self.log_format, "--log.format"),
        ];
        Layer::from_flags(properties.chain(self.settings.iter().cloned()).chain(flags.into_iter().flatten()))
    }
}
