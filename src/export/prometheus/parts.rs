//! An answer to a scrape, put together from blocks without a copy.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{blocks::Block, format::Format, protobuf, text};
use crate::{
    catalog::{self, Description},
    export::gzip::{self, Piece},
};

/// The number of series in all blocks.
pub fn count(parts: &[&[Block]]) -> usize {
    parts.iter().flat_map(|part| part.iter()).map(|block| block.count).sum()
}

/// An answer to a scrape: families in the order of the catalog, each once, with the samples of all blocks after its head.
/// No sample is copied.
pub struct Parts<'a>(Vec<Part<'a>>);

enum Part<'a> {
    Head(Vec<u8>),
    Samples(&'a Block),
}

impl<'a> Parts<'a> {
    /// Puts blocks in the order of the catalog.
    pub fn of(parts: &[&'a [Block]], format: Format) -> Self {
        Self::in_order(catalog::all(), parts, format)
    }

    /// Puts blocks in the order of these families. Blocks of other families are left out.
    pub(super) fn in_order(
        order: impl Iterator<Item = &'static Description>,
        parts: &[&'a [Block]],
        format: Format,
    ) -> Self {
        let mut families = BTreeMap::<&str, Vec<&Block>>::new();
        for block in parts.iter().flat_map(|part| part.iter()) {
            families.entry(block.family.name).or_default().push(block);
        }
        let mut all = Vec::with_capacity(2 * families.len() + 1);
        for family in order {
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

    /// The answer without compression.
    pub fn plain(self) -> Vec<Bytes> {
        let plain = |part| match part {
            Part::Head(head) => Bytes::from(head),
            Part::Samples(block) => block.samples.clone(),
        };
        self.0.into_iter().map(plain).collect()
    }

    /// The answer as one gzip stream.
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

/// Compresses the long blocks ahead of time.
pub fn pack(blocks: &[Block]) {
    blocks.iter().for_each(|block| _ = block.packed());
}
