//! Logs: to standard error, as text or JSON, in UTC.
//!
//! Text from Kafka may hold line breaks or terminal codes: both formats escape control characters, so that
//! no broker can forge a line.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Starts logging; a second call changes nothing.
///
/// # Errors
/// A filter that cannot be read.
pub fn init(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("[log] level: {error}"))?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let (text, json) = match log.format {
        LogFormat::Text => (Some(lines.with_ansi(colour)), None),
        LogFormat::Json => {
            let lines = fmt::layer().with_writer(io::stderr).json().flatten_event(true);
            (None, Some(lines))
        }
    };
    let started = tracing_subscriber::registry().with(filter).with(text).with(json).try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(())
}
