//! Logs: to standard error, as text or JSON, in UTC.
//!
//! Text from Kafka may hold line breaks or terminal codes. Neither format lets them through, so that no broker
//! can forge a line. The JSON format escapes characters below U+0020 itself. For the text format, `Escaped` escapes every
//! control character.
//!
//! No secret reaches the log. Lines of other libraries below the level of a warning are left out, because HTTP libraries
//! log URLs and headers. Lines of AWS's libraries are left out at every level, because their warnings quote whole answers,
//! which hold credentials. Every line is searched for the secrets of the configuration.

use std::{
    borrow::Cow,
    fmt::{self, Debug, Write},
    io::{self, IsTerminal},
};

use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    field::{RecordFields, VisitOutput},
    filter::filter_fn,
    fmt::{
        FormatFields, MakeWriter,
        format::{DefaultVisitor, Writer},
        layer,
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat, secret};

/// The targets that may log below the level of a warning: this program, and librdkafka, whose lines hold no secret.
const VERBOSE: [&str; 3] = ["kafka_heartbeat", "librdkafka", "rdkafka"];

/// Starts logging. A second call changes nothing.
///
/// # Errors
/// The level cannot be parsed as a filter.
pub fn init(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("[log] level: {error}"))?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (text, json) = match log.format {
        LogFormat::Text => (Some(text(|| Redacting(io::stderr()), colour)), None),
        LogFormat::Json => (None, Some(json(|| Redacting(io::stderr())))),
    };
    let layers = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged));
    let started = layers.with(text).with(json).try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(())
}

/// Whether a line with these metadata may be logged, whatever the level of the configuration is.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().split("::").next().unwrap_or_default();
    !target.starts_with("aws_") && (*metadata.level() <= Level::WARN || VERBOSE.contains(&target))
}

/// Writes lines without the configuration's secrets. A line arrives in one piece.
struct Redacting<W>(W);

impl<W: io::Write> io::Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match secret::redacted(&String::from_utf8_lossy(line)) {
            Cow::Borrowed(_) => self.0.write_all(line)?,
            Cow::Owned(line) => self.0.write_all(line.as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn text<S, W>(writer: W, colour: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    layer().with_writer(writer).with_target(false).with_ansi(colour).fmt_fields(Escaped)
}

fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    layer().with_writer(writer).json().flatten_event(true)
}

/// The default format of message and fields, with every control character in them escaped. The colour codes of the format
/// itself stay.
struct Escaped;

impl<'w> FormatFields<'w> for Escaped {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut values = Values(DefaultVisitor::new(writer, true));
        fields.record(&mut values);
        values.0.finish()
    }
}

/// Passes values on with their control characters escaped. Errors and numbers arrive at `record_debug`, too.
struct Values<'w>(DefaultVisitor<'w>);

impl Visit for Values<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // The message is written without quotes, every other text with quotes.
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.record_debug(field, &Plain(value));
    }
}

/// A value without control characters.
struct Plain<'a>(&'a dyn Debug);

impl Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{:?}", self.0)
    }
}

/// Escapes what is written through it.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| c.is_control()) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", control.escape_default())?;
            rest = &rest[at + control.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Text that a hostile broker may send.
    const HOSTILE: &str = "a\nb\r\x1b[31m\x7f\u{9b}";

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panicked").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Memory {
        fn writer(&self) -> impl for<'w> MakeWriter<'w> + use<> {
            let memory = self.clone();
            move || memory.clone()
        }

        fn logged(&self, layer: impl Layer<tracing_subscriber::Registry> + Send + Sync) -> String {
            let error = io::Error::other(HOSTILE);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                tracing::warn!(
                    host = HOSTILE,
                    shown = %HOSTILE,
                    error = &error as &(dyn std::error::Error + 'static),
                    number = 7,
                    "said: {HOSTILE}"
                );
            });
            let bytes = self.0.lock().expect("no writer panicked").clone();
            String::from_utf8(bytes).expect("UTF-8")
        }
    }

    #[test]
    fn hostile_text_stays_on_its_line_and_has_no_terminal_codes() {
        let memory = Memory::default();
        let logged = memory.logged(text(memory.writer(), false));
        let line = logged.strip_suffix('\n').expect("a whole line");
        assert!(!line.contains(char::is_control), "{line:?}");
        let escaped = r"a\nb\r\u{1b}[31m\u{7f}\u{9b}";
        let words = format!(r#"said: {escaped} host="{escaped}" shown={escaped} error={escaped} number=7"#);
        assert!(line.ends_with(&words), "{line}");
    }

    #[test]
    fn colours_of_the_format_stay() {
        let memory = Memory::default();
        let logged = memory.logged(text(memory.writer(), true));
        assert_eq!(logged.lines().count(), 1, "{logged:?}");
        assert!(logged.contains("\x1b[33m WARN") && !logged.contains("\x1b[31m"), "{logged:?}");
    }

    #[test]
    fn json_line_is_one_object() {
        let memory = Memory::default();
        let logged = memory.logged(json(memory.writer()));
        assert_eq!(logged.lines().count(), 1, "{logged:?}");
        assert!(!logged.contains('\x1b') && !logged.contains('\r'), "{logged:?}");
        let object: serde_json::Value = serde_json::from_str(&logged).expect("JSON");
        assert_eq!(object["shown"], HOSTILE);
    }

    #[test]
    fn lines_of_other_libraries_are_logged_from_a_warning_on() {
        let memory = Memory::default();
        let layer = text(memory.writer(), false).with_filter(filter_fn(may_be_logged));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::debug!(target: "hyper_util::client::legacy::pool", "a URL");
            tracing::info!(target: "reqwest::connect", "a URL");
            tracing::warn!(target: "hyper", "a warning");
            tracing::warn!(target: "aws_config::meta::credentials::chain", "an answer with credentials");
            tracing::trace!(target: "kafka_heartbeat::task", "our own");
        });
        let bytes = memory.0.lock().expect("no writer panicked").clone();
        let logged = String::from_utf8(bytes).expect("UTF-8");
        let lines: Vec<_> = logged.lines().collect();
        assert_eq!(lines.len(), 2, "{logged}");
        assert!(lines[0].ends_with("a warning") && lines[1].ends_with("our own"), "{logged}");
    }

    #[test]
    fn secret_in_a_line_is_replaced() {
        secret::remember("a test", "basic.password", "l0g-s3cret");
        let memory = Memory::default();
        let inner = memory.clone();
        let layer = json(move || Redacting(inner.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(words = "with l0g-s3cret in it", "said");
        });
        let bytes = memory.0.lock().expect("no writer panicked").clone();
        let logged = String::from_utf8(bytes).expect("UTF-8");
        assert!(logged.contains("with *** in it") && !logged.contains("l0g-s3cret"), "{logged}");
    }
}
