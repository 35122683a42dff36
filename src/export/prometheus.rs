//! Prometheus' text format 0.0.4 and OpenMetrics 1.0, from the same series.
//!
//! Families appear in the catalog's order, each once and whole, whatever order the series come in.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::gzip::{self, Piece};
use crate::{
    latency::Buckets,
    metrics::{Description, Kind, Series, Sink, Value, catalog},
};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// What everybody understands.
    Text,
    /// What Prometheus asks for first.
    OpenMetrics,
}

impl Format {
    /// What to say in `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format an `Accept` header asks for most; text unless OpenMetrics is preferred to it.
    pub fn negotiate(accept: &str) -> Self {
        let (mut text, mut openmetrics) = (0.0_f64, 0.0_f64);
        for entry in accept.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_lowercase();
            let (mut quality, mut version) = (1.0, "");
            for part in parts {
                if let Some(value) = part.strip_prefix("q=") {
                    quality = value.parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0);
                } else if let Some(value) = part.strip_prefix("version=") {
                    version = value;
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if ["", "1.0.0"].contains(&version) => {
                    openmetrics = openmetrics.max(quality);
                }
                "text/plain" | "text/*" | "*/*" => text = text.max(quality),
                _ => {}
            }
        }
        if openmetrics > 0.0 && openmetrics >= text { Format::OpenMetrics } else { Format::Text }
    }
}

/// Blocks of more bytes are packed once, however often they are sent.
const WORTH_KEEPING: usize = 16 * 1024;

/// The samples of one family, written.
#[derive(Debug)]
pub struct Block {
    family: &'static Description,
    samples: Bytes,
    packed: OnceLock<Arc<Piece>>,
    count: usize,
}

impl Block {
    /// Packed once; `None` for what is packed together with its neighbours sooner than kept.
    fn packed(&self) -> Option<&Arc<Piece>> {
        (self.samples.len() > WORTH_KEEPING).then(|| self.packed.get_or_init(|| Piece::of(&self.samples)))
    }
}

/// Writes all series. `constant` labels go in front of every series' own.
pub fn encode(series: &[Series<'_>], constant: &BTreeMap<String, String>, format: Format) -> String {
    let parts = Parts::of(&[&blocks(series, constant, format)], format).plain().concat();
    String::from_utf8(parts).unwrap_or_default()
}

/// Writes series by family, to be assembled with others: what changes seldom is written once.
pub fn blocks(series: &[Series<'_>], constant: &BTreeMap<String, String>, format: Format) -> Vec<Block> {
    let mut blocks = Blocks::new(constant, format);
    series.iter().for_each(|one| blocks.write(one));
    blocks.done()
}

/// Writes series as they come, each to its family's block.
pub struct Blocks {
    constant: String,
    format: Format,
    written: BTreeMap<&'static str, (&'static Description, String, usize)>,
}

impl Blocks {
    /// Nothing written yet. `constant` labels go in front of every series' own.
    pub fn new(constant: &BTreeMap<String, String>, format: Format) -> Self {
        let constant = constant.iter().fold(String::new(), |mut written, (name, value)| {
            pair(&mut written, name, value);
            written
        });
        Self { constant, format, written: BTreeMap::new() }
    }

    fn write(&mut self, one: &Series<'_>) {
        let written = self.written.entry(one.family.name);
        let (_, samples, count) = written.or_insert_with(|| (one.family, String::new(), 0));
        *count += 1;
        Writer { out: samples, constant: &self.constant, format: self.format }.series(one);
    }

    /// What was written.
    pub fn done(self) -> Vec<Block> {
        let block = |(family, mut samples, count): (_, String, _)| {
            samples.shrink_to_fit();
            Block { family, samples: samples.into(), packed: OnceLock::new(), count }
        };
        self.written.into_values().map(block).collect()
    }
}

impl<'a> Sink<'a> for Blocks {
    fn push(&mut self, series: Series<'a>) {
        self.write(&series);
    }
}

/// How many series the parts hold.
pub fn count(parts: &[&[Block]]) -> usize {
    parts.iter().flat_map(|part| part.iter()).map(|block| block.count).sum()
}

/// A scrape's answer: families in the catalog's order, each once, with the samples of all parts behind its head.
/// Nothing is copied.
pub struct Parts<'a>(Vec<Part<'a>>);

enum Part<'a> {
    Head(String),
    Samples(&'a Block),
}

impl<'a> Parts<'a> {
    /// Puts blocks in order.
    pub fn of(parts: &[&'a [Block]], format: Format) -> Self {
        let mut families = BTreeMap::<&str, Vec<&Block>>::new();
        for block in parts.iter().flat_map(|part| part.iter()) {
            families.entry(block.family.name).or_default().push(block);
        }
        let mut all = Vec::with_capacity(2 * families.len() + 1);
        for family in catalog::all() {
            if let Some(blocks) = families.get(family.name) {
                let mut words = String::with_capacity(300);
                head(&mut words, family, format);
                all.push(Part::Head(words));
                all.extend(blocks.iter().map(|block| Part::Samples(block)));
            }
        }
        if format == Format::OpenMetrics {
            all.push(Part::Head("# EOF\n".to_owned()));
        }
        Self(all)
    }

    /// As it is.
    pub fn plain(self) -> Vec<Bytes> {
        let plain = |part| match part {
            Part::Head(words) => Bytes::from(words),
            Part::Samples(block) => block.samples.clone(),
        };
        self.0.into_iter().map(plain).collect()
    }

    /// As one gzip stream.
    pub fn packed(self) -> Vec<Bytes> {
        let (mut pieces, mut loose) = (Vec::new(), Vec::new());
        for part in self.0 {
            let (text, kept) = match &part {
                Part::Head(words) => (words.as_bytes(), None),
                Part::Samples(block) => (&block.samples[..], block.packed()),
            };
            match kept {
                None => loose.extend_from_slice(text),
                Some(kept) => pieces.extend([Piece::of(&std::mem::take(&mut loose)), kept.clone()]),
            }
        }
        pieces.push(Piece::of(&loose));
        gzip::stream(&pieces)
    }
}

/// Packs what is worth it ahead of time.
pub fn pack(blocks: &[Block]) {
    blocks.iter().for_each(|block| _ = block.packed());
}

fn head(out: &mut String, family: &Description, format: Format) {
    let (name, kind) = match (format, family.kind) {
        (Format::OpenMetrics, Kind::Counter) => (family.name.trim_end_matches("_total"), "counter"),
        (Format::OpenMetrics, Kind::Info) => (family.name.trim_end_matches("_info"), "info"),
        (Format::OpenMetrics, Kind::LegacyCounter) => (family.name, "unknown"),
        (Format::Text, Kind::Counter | Kind::LegacyCounter) => (family.name, "counter"),
        (_, Kind::Gauge) | (Format::Text, Kind::Info) => (family.name, "gauge"),
        (_, Kind::Histogram) => (family.name, "histogram"),
    };
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(out, family.help, format == Format::OpenMetrics);
    for (keyword, value) in [("\n# TYPE ", kind), ("\n# UNIT ", unit(name, format))] {
        if !value.is_empty() {
            for part in [keyword, name, " ", value] {
                out.push_str(part);
            }
        }
    }
    out.push('\n');
}

/// OpenMetrics names the unit; it must be the end of the name.
fn unit(name: &str, format: Format) -> &'static str {
    match format {
        Format::Text => "",
        Format::OpenMetrics => {
            ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or("")
        }
    }
}

struct Writer<'a> {
    out: &'a mut String,
    constant: &'a str,
    format: Format,
}

impl Writer<'_> {
    fn series(&mut self, one: &Series<'_>) {
        match one.value {
            Value::Count(count) => self.sample(one, "", None, &count.to_string()),
            Value::Number(value) => self.sample(one, "", None, &self.number(value)),
            Value::Buckets(buckets) => self.histogram(one, buckets),
        }
    }

    fn histogram(&mut self, series: &Series<'_>, buckets: &Buckets) {
        for (bound, count) in buckets.cumulative() {
            let le = self.number(bound);
            self.sample(series, "_bucket", Some(&le), &count.to_string());
        }
        let sum = self.number(buckets.sum_seconds());
        self.sample(series, "_sum", None, &sum);
        self.sample(series, "_count", None, &buckets.count().to_string());
    }

    fn sample(&mut self, series: &Series<'_>, suffix: &str, le: Option<&str>, value: &str) {
        self.out.push_str(series.family.name);
        self.out.push_str(suffix);
        let begin = self.out.len();
        self.out.push('{');
        self.out.push_str(self.constant);
        // Prometheus knows no difference between an empty label and none; a cluster's name is left out on purpose.
        let labels = series.family.labels.iter().zip(&series.labels);
        for (name, value) in labels.filter(|(name, value)| **name != "kafka_cluster" || !value.is_empty()) {
            pair(self.out, name, value);
        }
        if let Some(le) = le {
            pair(self.out, "le", le);
        }
        if self.out.ends_with('{') {
            self.out.truncate(begin);
        } else {
            // In place of the last comma.
            self.out.pop();
            self.out.push('}');
        }
        self.out.push(' ');
        self.out.push_str(value);
        self.out.push('\n');
    }

    /// OpenMetrics wants a point in every float; the text format has always been written without.
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

fn pair(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value, true);
    out.push_str("\",");
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_preferred_is_served() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                          version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let table = [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=0.1, text/plain", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=nonsense", Format::Text),
        ];
        for (accept, format) in table {
            assert_eq!(Format::negotiate(accept), format, "{accept}");
        }
    }
}
