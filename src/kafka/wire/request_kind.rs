//! The limits of each kind of request: the size of its response, the memory for decoding it, and whether the response
//! reports throttling.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The largest frame of any kind of request, in bytes.
pub(super) const MAX_FRAME: usize = 32 * MIB;

/// The longest throttling that is believed. A broker that reports a longer one gets its next request after this time.
const MAX_THROTTLE: Duration = Duration::from_secs(60);

/// Kafka's name of the requests with this API key, or the key as a number if it is unknown.
pub(super) fn name(key: i16) -> String {
    ApiKey::try_from(key).map_or_else(|()| key.to_string(), |key| format!("{key:?}"))
}

/// The limits of one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestKind {
    /// The largest frame of a response, in bytes. The response of a cluster with 200,000 partitions is well below.
    pub(super) max_frame: usize,
    /// The memory that the frame of a response and the decoded response may need together, in bytes. With the values
    /// that are made from the response while it is in memory, no response costs more than 64 MiB.
    pub(super) memory: usize,
    /// The lowest version whose response begins with the time for which the broker stops reading from the connection
    /// (KIP-219). In lower versions the broker delays the response instead. `None` if no version reports a time.
    pub(super) throttles_from: Option<i16>,
    /// Whether the request changes something in the cluster.
    pub(super) is_change: bool,
}

impl RequestKind {
    /// The limits of the requests with this API key.
    pub(super) fn of(key: i16) -> Self {
        match ApiKey::try_from(key) {
            // The responses that open a session usually have a few hundred bytes.
            Ok(ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate) => {
                Self::read(256 * KIB, None)
            }
            Ok(ApiKey::DescribeQuorum) => Self::read(MIB, None),
            // One page holds 2,000 partitions.
            Ok(ApiKey::DescribeTopicPartitions) => Self::read(4 * MIB, Some(0)),
            // 200,000 partitions with three replicas each take 10 MiB, and 44 MiB once they are decoded.
            Ok(ApiKey::Metadata) => Self::large(16 * MIB, 6),
            Ok(ApiKey::ListOffsets) => Self::read(16 * MIB, Some(3)),
            Ok(ApiKey::FindCoordinator | ApiKey::ListGroups | ApiKey::DescribeConfigs) => {
                Self::read(16 * MIB, Some(2))
            }
            Ok(ApiKey::OffsetFetch) => Self::read(16 * MIB, Some(4)),
            Ok(ApiKey::DescribeLogDirs) => Self::read(16 * MIB, Some(1)),
            // A broker sends at least one whole record batch, whatever its size.
            Ok(ApiKey::Fetch) => Self::large(MAX_FRAME, 8),
            // The subscriptions and assignments of members are bytes that the members chose.
            Ok(ApiKey::DescribeGroups) => Self::large(MAX_FRAME, 2),
            Ok(ApiKey::ConsumerGroupDescribe | ApiKey::ShareGroupDescribe) => Self::large(MAX_FRAME, 0),
            Ok(ApiKey::CreateTopics) => Self::change(3),
            Ok(ApiKey::OffsetCommit) => Self::change(4),
            Ok(ApiKey::JoinGroup) => Self::change(2),
            Ok(
                ApiKey::CreatePartitions
                | ApiKey::InitProducerId
                | ApiKey::SyncGroup
                | ApiKey::Heartbeat
                | ApiKey::LeaveGroup,
            ) => Self::change(1),
            Ok(
                ApiKey::IncrementalAlterConfigs | ApiKey::AlterPartitionReassignments | ApiKey::ElectLeaders,
            ) => Self::change(0),
            _ => Self::read(16 * MIB, Some(0)),
        }
    }

    /// The same limits for answers of at most so many bytes. The decoded answer may need three times as much memory beside the
    /// frame, as with [`ApiKey::Metadata`].
    pub(super) fn with_answers_up_to(self, largest: usize) -> Self {
        Self { max_frame: self.max_frame.min(largest), memory: self.memory.min(4 * largest), ..self }
    }

    /// The time for which the broker that sent this response stops reading from the connection. `None` if the broker
    /// does not throttle the connection.
    pub(super) fn throttle(self, body: &[u8], version: i16) -> Option<Duration> {
        let from = self.throttles_from?;
        if version < from {
            return None;
        }
        let field = body.first_chunk::<4>()?;
        let millis = u64::try_from(i32::from_be_bytes(*field)).ok().filter(|millis| *millis > 0)?;
        Some(Duration::from_millis(millis).min(MAX_THROTTLE))
    }

    fn read(max_frame: usize, throttles_from: Option<i16>) -> Self {
        Self { max_frame, memory: 24 * MIB, throttles_from, is_change: false }
    }

    fn large(max_frame: usize, throttles_from: i16) -> Self {
        Self { memory: 48 * MIB, ..Self::read(max_frame, Some(throttles_from)) }
    }

    fn change(throttles_from: i16) -> Self {
        Self { is_change: true, ..Self::read(MIB, Some(throttles_from)) }
    }
}
