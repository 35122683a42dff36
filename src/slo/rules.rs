//! Writes the rules in the format of a tool.

use askama::Template;

use super::{
    burn::{PAGE, TICKET, WINDOWS},
    format::Format,
    promise::{Indicator, Promise},
    promises::promises,
};
use crate::config::Config;

#[derive(Template)]
#[template(path = "prometheus.yml", escape = "none")]
struct Prometheus {
    promises: Vec<Promise>,
}

#[derive(Template)]
#[template(path = "sloth.yml", escape = "none")]
struct Sloth {
    promises: Vec<Promise>,
}

#[derive(Template)]
#[template(path = "pyrra.yml", escape = "none")]
struct Pyrra {
    promises: Vec<Promise>,
}

#[derive(Template)]
#[template(path = "openslo.yml", escape = "none")]
struct OpenSlo {
    promises: Vec<Promise>,
}

/// The rules for the promises of a configuration; `availability`, in percent, replaces the promise of the configuration.
///
/// # Errors
/// The promise that cannot be measured, with the reason.
pub fn rules(config: &Config, availability: Option<f64>, format: Format) -> Result<String, String> {
    let promises = promises(config, availability)?;
    let text = match format {
        Format::Prometheus => Prometheus { promises }.render(),
        Format::Sloth => Sloth { promises }.render(),
        Format::Pyrra => Pyrra { promises }.render(),
        Format::Openslo => OpenSlo { promises }.render(),
    };
    text.map(|text| format!("{}\n", text.trim_end())).map_err(|error| error.to_string())
}
