//! `[log]`, and the environment variables for the level.

use std::collections::BTreeMap;

use tracing_subscriber::EnvFilter;

use super::{
    error::Problem,
    legacy,
    place::Place,
    reader::Reader,
    settings::{Setting, Settings},
};

/// The variables that set the level in many programs. The last one that is set wins over all other settings.
const LEVEL_VARIABLES: [&str; 2] = ["LOG_LEVEL", "RUST_LOG"];

/// The names of the levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// `[log]`
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// The form of log lines.
    pub format: LogFormat,
    /// A filter of tracing: `info`, `debug`, `kafka_heartbeat=trace,warn`.
    pub level: String,
}

/// `[log] format`: the form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object on each line.
    Json,
}

/// The settings of `LOG_LEVEL` and `RUST_LOG`. An empty variable counts as absent.
pub(super) fn variables(env: &BTreeMap<String, String>) -> Settings {
    let mut settings = Settings::default();
    for name in LEVEL_VARIABLES {
        if let Some(value) = env.get(name).filter(|value| !value.is_empty()) {
            let place = Place::Environment(name.to_owned());
            settings.set("log", "level", Setting::new(value.clone(), place));
        }
    }
    settings
}

impl Log {
    pub(super) fn read(mut log: Reader<'_>) -> Self {
        let format = log.choice("format", ("text", LogFormat::Text), ("json", LogFormat::Json));
        Self { format, level: level(&mut log) }
    }
}

/// A level, or a filter with a target. An unknown word would be taken for a target and would silence everything.
fn level(log: &mut Reader<'_>) -> String {
    let level = legacy::level(log.text("level"));
    let is_level = |word: &str| LEVELS.contains(&word.to_lowercase().as_str());
    let known = |word: &str| word.contains(['=', '[', ':']) || is_level(word);
    if !level.split(',').map(str::trim).all(known) || EnvFilter::try_new(&level).is_err() {
        let what = format!("{}, or a filter such as kafka_heartbeat=debug,info", LEVELS.join(", "));
        match log.setting("level").map(|setting| &setting.place) {
            Some(place @ Place::Environment(name)) if LEVEL_VARIABLES.contains(&name.as_str()) => {
                let message = format!("expected {what}, found {level:?}");
                log.add(Problem { place: place.to_string(), message });
            }
            _ => log.expected("level", &what),
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::{super::test_support::config, *};

    #[test]
    fn rust_log_wins_over_log_level_and_an_empty_variable_is_absent() {
        let level = |rust_log: &str, log_level: &str| {
            let env = [("RUST_LOG", rust_log), ("LOG_LEVEL", log_level)];
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            variables(&env).get("log", "level").map(|setting| setting.value.clone())
        };
        assert_eq!(level("debug", "warn").as_deref(), Some("debug"));
        assert_eq!(level("", "warn").as_deref(), Some("warn"));
        assert_eq!(level("", ""), None);
    }

    #[test]
    fn format_is_text_or_json() {
        assert_eq!(config(&[]).log.format, LogFormat::Text);
        assert_eq!(config(&[("log", "format", "json")]).log.format, LogFormat::Json);
    }
}
