//! Families, written: each to a block of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;

use super::{format::Format, protobuf, text};
use crate::{
    catalog::Description,
    export::gzip::Piece,
    metrics::{Series, Sink},
};

/// Blocks of more bytes are compressed once, however often they are sent.
const WORTH_KEEPING: usize = 16 * 1024;

/// So many bytes are compressed at once where only the compressed form is kept.
const PACKED_AT_ONCE: usize = 256 * 1024;

/// The samples of one family, written in one format.
#[derive(Debug)]
pub struct Block {
    pub(super) family: &'static Description,
    /// The first samples, which were compressed as soon as they were written. Empty unless only the compressed form is
    /// kept.
    pub(super) before: Vec<Arc<Piece>>,
    /// The samples that come after those.
    pub(super) samples: Bytes,
    /// These samples, compressed. Absent until they are needed.
    packed: OnceLock<Arc<Piece>>,
    /// The length of all samples in bytes, before compression.
    pub(super) length: usize,
    /// The number of series.
    pub(super) count: usize,
}

impl Block {
    /// The samples, compressed once. Absent for a short block, which is compressed together with its neighbours.
    pub(super) fn packed(&self) -> Option<&Arc<Piece>> {
        (self.samples.len() > WORTH_KEEPING).then(|| self.packed.get_or_init(|| Piece::of(&self.samples)))
    }
}

/// Writes series as they come, each to the block of its family.
pub struct Blocks {
    constant: Vec<u8>,
    format: Format,
    /// When the counters of the process began. Absent if the format has no place for it, or if it is not wanted.
    created: Option<SystemTime>,
    /// When the counters of single clusters began, by the label `kafka_cluster` of their series.
    created_of: BTreeMap<Arc<str>, SystemTime>,
    storage: Storage,
    written: BTreeMap<&'static str, Open>,
}

/// The form in which the samples of a block are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// As they were written: they can be sent with gzip and without.
    Plain,
    /// Compressed as soon as they were written: they can be sent with gzip alone, and need a twentieth of the memory.
    Packed,
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
        Self {
            constant: written,
            format,
            created: None,
            created_of: BTreeMap::new(),
            storage: Storage::Plain,
            written: BTreeMap::new(),
        }
    }

    /// Writes when the counters began: in `_created` of OpenMetrics, and in protobuf.
    #[must_use]
    pub fn created(self, created: Option<SystemTime>) -> Self {
        Self { created, ..self }
    }

    /// Sets when the counters of single clusters began, where that is written. A reload starts clusters later than the service.
    #[must_use]
    pub fn created_of(self, clusters: impl Iterator<Item = (Arc<str>, SystemTime)>) -> Self {
        Self { created_of: clusters.collect(), ..self }
    }

    /// Sets the form in which series are stored; [`Storage::Plain`] if it is not set.
    #[must_use]
    pub fn storage(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// Writes one series.
    pub(super) fn write(&mut self, one: &Series<'_>) {
        let family = one.family;
        let open = || Open { family, before: Vec::new(), samples: Vec::new(), length: 0, count: 0 };
        let block = self.written.entry(family.name).or_insert_with(open);
        block.count += 1;
        let out = &mut block.samples;
        let constant = &self.constant;
        let format = self.format;
        let created = self.created.map(|process| {
            let cluster = one.named().find(|(label, _)| *label == "kafka_cluster");
            cluster.and_then(|(_, name)| self.created_of.get(name).copied()).unwrap_or(process)
        });
        match format {
            Format::Protobuf => protobuf::metric(out, constant, one, created),
            Format::Text | Format::OpenMetrics => text::Writer { out, constant, format, created }.series(one),
        }
        if self.storage == Storage::Packed && block.samples.len() > PACKED_AT_ONCE {
            block.before.push(Piece::of(&block.samples));
            block.length += block.samples.len();
            block.samples.clear();
        }
    }

    /// The blocks, in the order of the names of their families.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        catalog::{process, requests},
        metrics::Value,
    };

    #[test]
    fn counters_of_a_cluster_that_a_reload_started_have_the_time_of_its_start() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut blocks = Blocks::new(&BTreeMap::new(), Format::OpenMetrics)
            .created(Some(at(10)))
            .created_of([("new".into(), at(20))].into_iter());
        blocks.write(&requests::REQUESTS.series(["old".into()], Value::Count(1)));
        blocks.write(&requests::REQUESTS.series(["new".into()], Value::Count(1)));
        blocks.write(&process::BUSY.series([], Value::Number(1.0)));
        let written: Vec<_> = blocks.done().into_iter().map(|block| block.samples).collect();
        let text = String::from_utf8(written.concat()).expect("UTF-8");
        let created: Vec<_> =
            text.lines().filter_map(|line| line.split_once("_created")).map(|(_, rest)| rest).collect();
        assert_eq!(created.len(), 3, "{text}");
        assert!(text.contains("_created{kafka_cluster=\"old\"} 10.000"), "{text}");
        assert!(text.contains("_created{kafka_cluster=\"new\"} 20.000"), "{text}");
    }
}
