//! The two text formats: 0.0.4, and OpenMetrics 1.0 with exemplars.

use std::time::SystemTime;

use super::format::Format;
use crate::{
    catalog::{Description, Kind},
    clock::unix_seconds,
    latency::{Buckets, Exemplar},
    metrics::{Series, Value},
};

/// The lines before the samples of a family.
pub(super) fn head(out: &mut Vec<u8>, family: &Description, format: Format) {
    let (name, kind) = match (format, family.kind) {
        (Format::OpenMetrics, Kind::Counter) => (family.name.trim_end_matches("_total"), "counter"),
        (Format::OpenMetrics, Kind::Info) => (family.name.trim_end_matches("_info"), "info"),
        (Format::OpenMetrics, Kind::LegacyCounter) => (family.name, "unknown"),
        (_, Kind::Counter | Kind::LegacyCounter) => (family.name, "counter"),
        (_, Kind::Gauge | Kind::Info) => (family.name, "gauge"),
        (_, Kind::Histogram) => (family.name, "histogram"),
    };
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    escape(out, family.help, format == Format::OpenMetrics);
    for (keyword, value) in [("\n# TYPE ", kind), ("\n# UNIT ", unit(name, format))] {
        if !value.is_empty() {
            for part in [keyword, name, " ", value] {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    out.push(b'\n');
}

/// The unit for OpenMetrics, which must be the end of the name. Empty without a unit.
fn unit(name: &str, format: Format) -> &'static str {
    match format {
        Format::OpenMetrics => {
            ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or("")
        }
        _ => "",
    }
}

/// Writes series, one line a sample.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// The constant labels, written. They come before the labels of every series.
    pub(super) constant: &'a [u8],
    pub(super) format: Format,
    /// When the counters began. Absent where it is not written.
    pub(super) created: Option<SystemTime>,
}

impl Writer<'_> {
    pub(super) fn series(&mut self, one: &Series<'_>) {
        match one.value {
            Value::Count(count) => self.sample(one, "", None, &count.to_string(), None),
            Value::Number(value) => self.sample(one, "", None, &self.number(value), None),
            Value::Buckets(buckets) => self.histogram(one, buckets),
        }
        if let (Format::OpenMetrics, Kind::Counter | Kind::Histogram, Some(created)) =
            (self.format, one.family.kind, self.created)
        {
            let seconds = unix_seconds(created);
            let name = one.family.name.trim_end_matches("_total");
            self.line((name, "_created"), one, None, &format!("{seconds:.3}"), None);
        }
    }

    fn histogram(&mut self, series: &Series<'_>, buckets: &Buckets) {
        let with_exemplars = self.format == Format::OpenMetrics;
        for (bucket, (bound, count)) in buckets.cumulative().enumerate() {
            let le = self.number(bound);
            let exemplar = if with_exemplars { buckets.exemplar(bucket) } else { None };
            self.sample(series, "_bucket", Some(&le), &count.to_string(), exemplar);
        }
        let sum = self.number(buckets.sum_seconds());
        self.sample(series, "_sum", None, &sum, None);
        self.sample(series, "_count", None, &buckets.count().to_string(), None);
    }

    fn sample(
        &mut self,
        series: &Series<'_>,
        suffix: &str,
        le: Option<&str>,
        value: &str,
        exemplar: Option<&Exemplar>,
    ) {
        self.line((series.family.name, suffix), series, le, value, exemplar);
    }

    fn line(
        &mut self,
        (name, suffix): (&str, &str),
        series: &Series<'_>,
        le: Option<&str>,
        value: &str,
        exemplar: Option<&Exemplar>,
    ) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        let begin = self.out.len();
        self.out.push(b'{');
        self.out.extend_from_slice(self.constant);
        series.named().for_each(|(name, value)| pair(self.out, name, value));
        if let Some(le) = le {
            pair(self.out, "le", le);
        }
        if self.out.ends_with(b"{") {
            self.out.truncate(begin);
        } else {
            // In place of the last comma.
            self.out.pop();
            self.out.push(b'}');
        }
        self.out.push(b' ');
        self.out.extend_from_slice(value.as_bytes());
        if let Some(exemplar) = exemplar {
            self.exemplar(exemplar);
        }
        self.out.push(b'\n');
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        self.out.extend_from_slice(b" # {");
        exemplar.labels().for_each(|(name, value)| pair(self.out, name, &value));
        self.out.pop();
        let value = self.number(exemplar.duration.as_secs_f64());
        let at = unix_seconds(exemplar.at);
        self.out.extend_from_slice(format!("}} {value} {at:.3}").as_bytes());
    }

    /// A number. OpenMetrics wants a point in every float, and the text format is written without.
    fn number(&self, value: f64) -> String {
        if value == f64::INFINITY {
            return "+Inf".to_owned();
        }
        let mut text = value.to_string();
        if self.format == Format::OpenMetrics && !text.contains(['.', 'e', 'N', 'n']) {
            text.push_str(".0");
        }
        text
    }
}

/// A label and a comma.
pub(super) fn pair(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    escape(out, value, true);
    out.extend_from_slice(b"\",");
}

fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}
