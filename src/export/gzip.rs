//! gzip out of pieces that were compressed before, so that a block that changes seldom is compressed once.
//!
//! A piece is raw deflate that ends on a byte and refers to nothing before it. So any pieces one after the other are one
//! stream (RFC 1951 §3.2.4, RFC 1952): a header, the pieces, an empty last block, and the checksum of all pieces, which is
//! computed from the checksum of each.

use std::sync::Arc;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};

const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty block that is the last one.
const LAST: [u8; 2] = [0x03, 0x00];

/// Compressed text.
#[derive(Debug)]
pub struct Piece {
    packed: Bytes,
    crc: Crc,
}

impl Piece {
    /// Compresses text, fast rather than small: metrics are so regular that they shrink to a twentieth even so.
    pub fn of(text: &[u8]) -> Arc<Self> {
        let mut crc = Crc::new();
        crc.update(text);
        let mut deflate = Compress::new(Compression::fast(), false);
        let mut packed = Vec::with_capacity(text.len() / 12 + 64);
        loop {
            let taken = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX).min(text.len());
            let room = packed.capacity();
            // Writing into memory fails only on a broken stream, and this one is new.
            if deflate.compress_vec(&text[taken..], &mut packed, FlushCompress::Full).is_err() {
                break;
            }
            // Room left over means that everything was taken, and flushed.
            if packed.len() < room {
                break;
            }
            packed.reserve(packed.capacity());
        }
        packed.shrink_to_fit();
        Arc::new(Self { packed: packed.into(), crc })
    }
}

/// All pieces as one gzip stream, in parts that are sent one after the other.
pub fn stream(pieces: &[Arc<Piece>]) -> Vec<Bytes> {
    let mut crc = Crc::new();
    pieces.iter().for_each(|piece| crc.combine(&piece.crc));
    let tail = [&LAST[..], &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes()].concat();
    let pieces = pieces.iter().map(|piece| piece.packed.clone());
    [Bytes::from_static(&HEAD)].into_iter().chain(pieces).chain([tail.into()]).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn unpack(parts: &[Bytes]) -> Vec<u8> {
        let mut text = Vec::new();
        // The stream is a single member: some readers know no others.
        GzDecoder::new(parts.concat().as_slice()).read_to_end(&mut text).expect("a good stream");
        text
    }

    #[test]
    fn regular_text_shrinks_and_is_read_back() {
        let line = |n: u32| format!("kafka_lag{{group=\"group-{}\",partition=\"{n}\"}} {}\n", n / 25, n * 7);
        let text: String = (0..100_000).map(line).collect();
        let parts = stream(&[Piece::of(text.as_bytes())]);
        assert_eq!(unpack(&parts), text.as_bytes());
        let size: usize = parts.iter().map(Bytes::len).sum();
        assert!(size * 5 < text.len(), "{size} of {}", text.len());
    }

    proptest! {
        /// Pieces of any text, put together, are read back as the text.
        #[test]
        fn pieces_are_read_back_in_their_order(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..6)) {
            let pieces: Vec<_> = texts.iter().map(|text| Piece::of(text)).collect();
            prop_assert_eq!(unpack(&stream(&pieces)), texts.concat());
        }
    }
}
