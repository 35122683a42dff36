//! `[log]`, and the variables that say the same.

use tracing_subscriber::EnvFilter;

use super::{Log, LogFormat, error::Problem, legacy, load::Reader};

impl Reader {
    pub(super) fn log(&mut self) -> Log {
        Log { format: self.log_format(), level: self.log_level() }
    }

    /// A level, or a filter with a target. An unknown word would be taken for a target, and silence everything.
    fn log_level(&mut self) -> String {
        let set = |name: &&str| self.env.get(*name).filter(|level| !level.is_empty());
        let variable = ["RUST_LOG", "LOG_LEVEL"].into_iter().find(|name| set(name).is_some());
        let level = variable.as_ref().and_then(set).cloned();
        let level = legacy::level(&level.unwrap_or_else(|| self.text("log", "level")));
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let strange = level
            .split(',')
            .map(str::trim)
            .find(|word| !word.contains(['=', '[', ':']) && !levels.contains(&word.to_lowercase().as_str()));
        if strange.is_some() || EnvFilter::try_new(&level).is_err() {
            let what = format!("{}, or a filter such as kafka_heartbeat=debug,info", levels.join(", "));
            match variable {
                Some(name) => self.errors.add(Problem {
                    place: format!("environment {name}"),
                    message: format!("expected {what}, found {level:?}"),
                }),
                None => self.expected("log", "level", &what),
            }
        }
        level
    }

    fn log_format(&mut self) -> LogFormat {
        match self.text("log", "format").as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => {
                self.expected("log", "format", "text or json");
                LogFormat::Text
            }
        }
    }
}
