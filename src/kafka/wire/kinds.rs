//! What is known of each kind of request before it is asked: how long its answer may be, and what a broker says in it.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The longest frame of any kind.
pub(super) const LONGEST: usize = 32 * MIB;

/// The longest throttling that is believed. A broker that asks for more is asked again after this time.
const LONGEST_THROTTLE: Duration = Duration::from_secs(60);

/// Kafka's name of the requests with this key.
pub(super) fn name(key: i16) -> String {
    ApiKey::try_from(key).map_or_else(|()| key.to_string(), |key| format!("{key:?}"))
}

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// The longest answer in bytes. A legitimate answer of a cluster with 200,000 partitions stays well below it.
    pub(super) longest: usize,
    /// What the frame of an answer and what is decoded from it may need together, in bytes of memory. With what we make
    /// of an answer while it is still there, no answer costs more than 64 MiB.
    pub(super) memory: usize,
    /// The lowest version whose answer begins with the time for which the broker reads nothing more of the connection
    /// (KIP-219). In lower versions the broker itself delays the answer.
    pub(super) throttles_from: Option<i16>,
    /// Whether it changes something in the cluster.
    pub(super) changes: bool,
}

impl Kind {
    /// What is known of the requests with this key.
    pub(super) fn of(key: i16) -> Self {
        match ApiKey::try_from(key) {
            // A few hundred bytes are usual while a session is opened.
            Ok(ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate) => {
                Self::asks(256 * KIB, None)
            }
            Ok(ApiKey::DescribeQuorum) => Self::asks(MIB, None),
            // Two thousand partitions a page.
            Ok(ApiKey::DescribeTopicPartitions) => Self::asks(4 * MIB, Some(0)),
            // 200,000 partitions of three replicas each are 10 MiB, and 44 MiB once they are decoded.
            Ok(ApiKey::Metadata) => Self::large(16 * MIB, 6),
            Ok(ApiKey::ListOffsets) => Self::asks(16 * MIB, Some(3)),
            Ok(ApiKey::FindCoordinator | ApiKey::ListGroups | ApiKey::DescribeConfigs) => {
                Self::asks(16 * MIB, Some(2))
            }
            Ok(ApiKey::OffsetFetch) => Self::asks(16 * MIB, Some(4)),
            Ok(ApiKey::DescribeLogDirs) => Self::asks(16 * MIB, Some(1)),
            // One record batch comes whole, however long it is.
            Ok(ApiKey::Fetch) => Self::large(LONGEST, 8),
            // Members bring their own bytes along: subscriptions and assignments.
            Ok(ApiKey::DescribeGroups) => Self::large(LONGEST, 2),
            Ok(ApiKey::ConsumerGroupDescribe) => Self::large(LONGEST, 0),
            Ok(ApiKey::CreateTopics) => Self::changes(3),
            Ok(ApiKey::CreatePartitions) => Self::changes(1),
            Ok(
                ApiKey::IncrementalAlterConfigs | ApiKey::AlterPartitionReassignments | ApiKey::ElectLeaders,
            ) => Self::changes(0),
            _ => Self::asks(16 * MIB, Some(0)),
        }
    }

    /// For how long the broker that gave this answer reads nothing more from the connection.
    pub(super) fn throttle(self, body: &[u8], version: i16) -> Option<Duration> {
        let from = self.throttles_from?;
        let field = body.first_chunk::<4>().filter(|_| version >= from)?;
        let millis = u64::try_from(i32::from_be_bytes(*field)).ok().filter(|millis| *millis > 0)?;
        Some(Duration::from_millis(millis).min(LONGEST_THROTTLE))
    }

    fn asks(longest: usize, throttles_from: Option<i16>) -> Self {
        Self { longest, memory: 24 * MIB, throttles_from, changes: false }
    }

    fn large(longest: usize, throttles_from: i16) -> Self {
        Self { memory: 48 * MIB, ..Self::asks(longest, Some(throttles_from)) }
    }

    fn changes(throttles_from: i16) -> Self {
        Self { changes: true, ..Self::asks(MIB, Some(throttles_from)) }
    }
}
