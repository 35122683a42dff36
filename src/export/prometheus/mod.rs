//! What Prometheus reads, in its text format, as OpenMetrics and as protobuf, from the same series.
//!
//! Families appear in the catalog's order, each once and whole, whatever order the series come in.

mod protobuf;
mod text;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;

use super::gzip::{self, Piece};
use crate::{
    catalog::{self, Description},
    metrics::{Series, Sink},
};

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// What everybody understands.
    Text,
    /// What Prometheus asks for first; with exemplars.
    OpenMetrics,
    /// What it asks for first where native histograms are switched on: the only format that has them.
    Protobuf,
}

impl Format {
    /// What to say in `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The format an `Accept` header asks for most; of those it asks for equally, the one that holds most.
    pub fn negotiate(accept: &str) -> Self {
        let wanted = accept.split(',').filter_map(Format::entry);
        let best = wanted.max_by(|(one, format), (other, than)| one.total_cmp(other).then(format.cmp(than)));
        best.map_or(Format::Text, |(_, format)| format)
    }

    /// One entry of an `Accept` header: how much it is wanted, and what.
    fn entry(entry: &str) -> Option<(f64, Self)> {
        let mut parts = entry.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_lowercase();
        let parameters: BTreeMap<_, _> = parts.filter_map(|part| part.split_once('=')).collect();
        let quality = parameters.get("q").map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0));
        let is = |name, wanted: &str| parameters.get(name).is_none_or(|value| *value == wanted);
        let format = match media.as_str() {
            "application/openmetrics-text" if is("version", "1.0.0") => Format::OpenMetrics,
            "application/vnd.google.protobuf"
                if is("proto", "io.prometheus.client.MetricFamily") && is("encoding", "delimited") =>
            {
                Format::Protobuf
            }
            "text/plain" | "text/*" | "*/*" => Format::Text,
            _ => return None,
        };
        (quality > 0.0).then_some((quality, format))
    }
}

/// Blocks of more bytes are packed once, however often they are sent.
const WORTH_KEEPING: usize = 16 * 1024;

/// So much is packed at once where what is written is not kept as it is.
const PACKED_AT_ONCE: usize = 256 * 1024;

/// The samples of one family, written.
#[derive(Debug)]
pub struct Block {
    family: &'static Description,
    /// What was packed as soon as it was written, and is not there as it is.
    before: Vec<Arc<Piece>>,
    /// All of it, or what comes behind that.
    samples: Bytes,
    packed: OnceLock<Arc<Piece>>,
    length: usize,
    count: usize,
}

impl Block {
    /// Packed once; `None` for what is packed together with its neighbours sooner than kept.
    fn packed(&self) -> Option<&Arc<Piece>> {
        (self.samples.len() > WORTH_KEEPING).then(|| self.packed.get_or_init(|| Piece::of(&self.samples)))
    }
}

/// Writes all series. `constant` labels go in front of every series' own.
pub fn encode(series: &[Series<'_>], constant: &BTreeMap<String, String>, format: Format) -> Vec<u8> {
    let mut blocks = Blocks::new(constant, format);
    series.iter().for_each(|one| blocks.write(one));
    Parts::of(&[&blocks.done()], format).plain().concat()
}

/// Writes series as they come, each to its family's block.
pub struct Blocks {
    constant: Vec<u8>,
    format: Format,
    /// Since when counters count, where that is to be told.
    created: Option<SystemTime>,
    /// Nobody wants it as it is.
    only_packed: bool,
    written: BTreeMap<&'static str, Open>,
}

/// A block that is being written.
struct Open {
    family: &'static Description,
    before: Vec<Arc<Piece>>,
    samples: Vec<u8>,
    length: usize,
    count: usize,
}

impl Blocks {
    /// Nothing written yet. `constant` labels go in front of every series' own.
    pub fn new(constant: &BTreeMap<String, String>, format: Format) -> Self {
        let mut written = Vec::new();
        for (name, value) in constant {
            match format {
                Format::Protobuf => protobuf::pair(&mut written, name, value),
                Format::Text | Format::OpenMetrics => text::pair(&mut written, name, value),
            }
        }
        Self { constant: written, format, created: None, only_packed: false, written: BTreeMap::new() }
    }

    /// Tells since when counters count: in `_created` of OpenMetrics, and in protobuf.
    #[must_use]
    pub fn created(self, created: Option<SystemTime>) -> Self {
        Self { created, ..self }
    }

    /// What is written is packed as it comes and not kept as it is: a twentieth of the memory is enough.
    #[must_use]
    pub fn only_packed(self, only_packed: bool) -> Self {
        Self { only_packed, ..self }
    }

    fn write(&mut self, one: &Series<'_>) {
        let family = one.family;
        let open = || Open { family, before: Vec::new(), samples: Vec::new(), length: 0, count: 0 };
        let block = self.written.entry(family.name).or_insert_with(open);
        let (out, constant, format, created) =
            (&mut block.samples, &self.constant, self.format, self.created);
        block.count += 1;
        match format {
            Format::Protobuf => protobuf::metric(out, constant, one, created),
            Format::Text | Format::OpenMetrics => text::Writer { out, constant, format, created }.series(one),
        }
        if self.only_packed && block.samples.len() > PACKED_AT_ONCE {
            block.before.push(Piece::of(&block.samples));
            block.length += block.samples.len();
            block.samples.clear();
        }
    }

    /// What was written.
    pub fn done(self) -> Vec<Block> {
        let block = |open: Open| {
            let Open { family, before, mut samples, length, count } = open;
            samples.shrink_to_fit();
            let length = length + samples.len();
            Block { family, before, samples: samples.into(), packed: OnceLock::new(), length, count }
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
    Head(Vec<u8>),
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
                let mut head = Vec::with_capacity(300);
                let length = blocks.iter().map(|block| block.length).sum();
                match format {
                    Format::Protobuf => protobuf::head(&mut head, family, length),
                    Format::Text | Format::OpenMetrics => text::head(&mut head, family, format),
                }
                all.push(Part::Head(head));
                all.extend(blocks.iter().map(|block| Part::Samples(block)));
            }
        }
        if format == Format::OpenMetrics {
            all.push(Part::Head(b"# EOF\n".to_vec()));
        }
        Self(all)
    }

    /// As it is.
    pub fn plain(self) -> Vec<Bytes> {
        let plain = |part| match part {
            Part::Head(head) => Bytes::from(head),
            Part::Samples(block) => block.samples.clone(),
        };
        self.0.into_iter().map(plain).collect()
    }

    /// As one gzip stream.
    pub fn packed(self) -> Vec<Bytes> {
        let (mut pieces, mut loose) = (Vec::new(), Vec::new());
        for part in self.0 {
            let (before, text, kept) = match &part {
                Part::Head(head) => (&[][..], &head[..], None),
                Part::Samples(block) => (&block.before[..], &block.samples[..], block.packed()),
            };
            for kept in before {
                pieces.extend([Piece::of(&std::mem::take(&mut loose)), kept.clone()]);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_preferred_is_served() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                          version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
                      q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1";
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
            (native, Format::Protobuf),
            ("application/vnd.google.protobuf;q=0.1,text/plain;q=0.2", Format::Text),
            ("application/vnd.google.protobuf;encoding=text", Format::Text),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text",
                Format::Text,
            ),
        ];
        for (accept, format) in table {
            assert_eq!(Format::negotiate(accept), format, "{accept}");
        }
    }
}
