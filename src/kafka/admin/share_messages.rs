//! DescribeShareGroupOffsets up to version 1 (Kafka 4.2, KIP-1226), in which the coordinator names the lag. The crate kafka-protocol
//! knows version 0 alone.
//!
//! Source: `DescribeShareGroupOffsetsRequest.json` and `DescribeShareGroupOffsetsResponse.json` of Kafka 4.4.0.

use anyhow::{Result, bail};
use kafka_protocol::{
    messages::{DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse},
    protocol::{
        Decodable, Encodable, HeaderVersion, Message, Request, VersionRange,
        buf::{ByteBuf, ByteBufMut},
    },
};

/// The first version in which the response has the lag.
const WITH_LAG: i16 = 1;

/// The request, which is the same in both versions.
pub(super) struct DescribeShareOffsets(pub(super) DescribeShareGroupOffsetsRequest);

/// The response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DescribedShareOffsets {
    pub(super) groups: Vec<DescribedGroup>,
}

/// The offsets of one group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DescribedGroup {
    pub(super) group: String,
    pub(super) topics: Vec<(String, Vec<DescribedPartition>)>,
    pub(super) error_code: i16,
}

/// The offsets of one group for one partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DescribedPartition {
    pub(super) partition: i32,
    /// −1 if the group has not read the partition yet.
    pub(super) start_offset: i64,
    /// −1 if the coordinator does not know it, and in version 0.
    pub(super) lag: i64,
    pub(super) error_code: i16,
}

impl Message for DescribeShareOffsets {
    const VERSIONS: VersionRange = VersionRange { min: 0, max: WITH_LAG };
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl Encodable for DescribeShareOffsets {
    fn encode<B: ByteBufMut>(&self, buf: &mut B, _version: i16) -> Result<()> {
        self.0.encode(buf, 0)
    }

    fn compute_size(&self, _version: i16) -> Result<usize> {
        self.0.compute_size(0)
    }
}

impl Decodable for DescribeShareOffsets {
    fn decode<B: ByteBuf>(buf: &mut B, _version: i16) -> Result<Self> {
        DescribeShareGroupOffsetsRequest::decode(buf, 0).map(Self)
    }
}

impl HeaderVersion for DescribeShareOffsets {
    fn header_version(_version: i16) -> i16 {
        DescribeShareGroupOffsetsRequest::header_version(0)
    }
}

impl Request for DescribeShareOffsets {
    const KEY: i16 = DescribeShareGroupOffsetsRequest::KEY;
    type Response = DescribedShareOffsets;
}

impl Message for DescribedShareOffsets {
    const VERSIONS: VersionRange = DescribeShareOffsets::VERSIONS;
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl HeaderVersion for DescribedShareOffsets {
    fn header_version(_version: i16) -> i16 {
        DescribeShareGroupOffsetsResponse::header_version(0)
    }
}

/// The trait of a response asks for this. A client reads responses and never writes one.
impl Encodable for DescribedShareOffsets {
    fn encode<B: ByteBufMut>(&self, _buf: &mut B, _version: i16) -> Result<()> {
        bail!("a client does not send responses")
    }

    fn compute_size(&self, _version: i16) -> Result<usize> {
        bail!("a client does not send responses")
    }
}

impl Decodable for DescribedShareOffsets {
    fn decode<B: ByteBuf>(buf: &mut B, version: i16) -> Result<Self> {
        let _throttle_time = buf.try_get_i32()?;
        let groups = array(buf, |buf| DescribedGroup::decode(buf, version))?;
        skip_tagged_fields(buf)?;
        Ok(Self { groups })
    }
}

impl DescribedGroup {
    fn decode<B: ByteBuf>(buf: &mut B, version: i16) -> Result<Self> {
        let group = text(buf)?;
        let topics = array(buf, |buf| {
            let name = text(buf)?;
            let _topic_id = buf.try_get_bytes(16)?;
            let partitions = array(buf, |buf| DescribedPartition::decode(buf, version))?;
            skip_tagged_fields(buf)?;
            Ok((name, partitions))
        })?;
        let error_code = buf.try_get_i16()?;
        let _message = text(buf)?;
        skip_tagged_fields(buf)?;
        Ok(Self { group, topics, error_code })
    }
}

impl DescribedPartition {
    fn decode<B: ByteBuf>(buf: &mut B, version: i16) -> Result<Self> {
        let (partition, start_offset) = (buf.try_get_i32()?, buf.try_get_i64()?);
        let _leader_epoch = buf.try_get_i32()?;
        let lag = if version >= WITH_LAG { buf.try_get_i64()? } else { -1 };
        let error_code = buf.try_get_i16()?;
        let _message = text(buf)?;
        skip_tagged_fields(buf)?;
        Ok(Self { partition, start_offset, lag, error_code })
    }
}

/// Reads an array. Room is made for what is there alone, however long the array claims to be.
fn array<B: ByteBuf, T>(buf: &mut B, mut read: impl FnMut(&mut B) -> Result<T>) -> Result<Vec<T>> {
    let length = varint(buf)?;
    let mut items = Vec::new();
    for _ in 1..length {
        items.push(read(buf)?);
    }
    Ok(items)
}

/// Reads a string; empty if it is null.
fn text<B: ByteBuf>(buf: &mut B) -> Result<String> {
    let length = usize::try_from(varint(buf)?.saturating_sub(1))?;
    Ok(str::from_utf8(&buf.try_get_bytes(length)?)?.to_owned())
}

/// Reads a number of which each byte holds seven bits, the lowest first. The highest bit says whether another byte follows.
fn varint<B: ByteBuf>(buf: &mut B) -> Result<u32> {
    let mut number = 0;
    for shift in (0..32).step_by(7) {
        let byte = buf.try_get_u8()?;
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!("a number has more than five bytes")
}

fn skip_tagged_fields<B: ByteBuf>(buf: &mut B) -> Result<()> {
    let count = varint(buf)?;
    for _ in 0..count {
        let _tag = varint(buf)?;
        let size = varint(buf)?;
        buf.try_get_bytes(usize::try_from(size)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::describe_share_group_offsets_response as v0;
    use proptest::prelude::*;

    use super::{
        super::protocol::{group_id, topic_name},
        *,
    };

    /// Group `g` at topic `t`, partition 2: start offset 258, leader epoch 9, lag 3, no errors.
    const WITH_ONE_PARTITION: &[u8] = b"\0\0\0\0\x02\x02g\x02\x02t\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \x02\0\0\0\x02\0\0\0\0\0\0\x01\x02\0\0\0\x09\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0";

    fn expected(lag: i64) -> DescribedShareOffsets {
        let partition = DescribedPartition { partition: 2, start_offset: 258, lag, error_code: 0 };
        let topics = vec![("t".to_owned(), vec![partition])];
        DescribedShareOffsets {
            groups: vec![DescribedGroup { group: "g".to_owned(), topics, error_code: 0 }],
        }
    }

    #[test]
    fn lag_is_read_from_version_1() {
        let mut bytes = Bytes::from_static(WITH_ONE_PARTITION);
        assert_eq!(DescribedShareOffsets::decode(&mut bytes, 1).expect("a response"), expected(3));
        assert!(bytes.is_empty());
    }

    #[test]
    fn version_0_is_read_as_the_crate_writes_it_and_has_no_lag() {
        let partition = v0::DescribeShareGroupOffsetsResponsePartition::default();
        let partition = partition.with_partition_index(2).with_start_offset(258).with_error_message(None);
        let topic = v0::DescribeShareGroupOffsetsResponseTopic::default();
        let topic = topic.with_topic_name(topic_name("t"));
        let group = v0::DescribeShareGroupOffsetsResponseGroup::default();
        let group =
            group.with_group_id(group_id("g")).with_topics(vec![topic.with_partitions(vec![partition])]);
        let mut bytes = bytes::BytesMut::new();
        let answer = DescribeShareGroupOffsetsResponse::default().with_groups(vec![group]);
        answer.encode(&mut bytes, 0).expect("encoded");
        let mut bytes = bytes.freeze();
        assert_eq!(DescribedShareOffsets::decode(&mut bytes, 0).expect("a response"), expected(-1));
    }

    #[test]
    fn response_that_is_cut_off_or_claims_to_be_long_is_an_error() {
        for length in 0..WITH_ONE_PARTITION.len() {
            let mut bytes = Bytes::from_static(&WITH_ONE_PARTITION[..length]);
            assert!(DescribedShareOffsets::decode(&mut bytes, 1).is_err(), "{length} bytes");
        }
        let mut long = Bytes::from_static(b"\0\0\0\0\xff\xff\xff\xff\x0f\x02g");
        assert!(DescribedShareOffsets::decode(&mut long, 1).is_err());
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_decoded_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), version in 0_i16..2) {
            if let Ok(found) = DescribedShareOffsets::decode(&mut Bytes::from(bytes.clone()), version) {
                prop_assert!(found.groups.len() <= bytes.len());
            }
        }
    }
}
