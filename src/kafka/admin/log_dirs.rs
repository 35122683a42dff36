//! Where brokers keep their logs: how large these are, and how much room is left.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{DescribeLogDirsRequest, describe_log_dirs_response::DescribeLogDirsResult};

use super::protocol::check;
use crate::{
    kafka::{BrokerId, Error, Fault, wire},
    text::Chain,
};

/// From version 4 on (Kafka 3.3, KIP-827) room is told, too.
const DESCRIBE: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 4 };

/// A folder of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path: hostile text.
    pub path: String,
    /// Why it cannot be used, where it is offline.
    pub fault: Option<Fault>,
    /// Room on its volume in bytes, used or not; absent before Kafka 3.3.
    pub total: Option<u64>,
    /// Room that is left for logs, in bytes; absent before Kafka 3.3.
    pub usable: Option<u64>,
    /// Bytes by topic, all replicas of it in this folder together.
    pub topics: BTreeMap<Arc<str>, u64>,
    /// Replicas that are being moved here from another folder.
    pub moving: usize,
}

/// The folders of each broker, or why it does not tell; all are asked at once.
pub async fn log_dirs(
    cluster: &wire::Cluster,
    brokers: &[BrokerId],
) -> BTreeMap<BrokerId, Result<Vec<LogDir>, Fault>> {
    let asked = brokers.iter().map(async |broker| {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = cluster.ask(*broker, &request, DESCRIBE).await;
        let told = answer.and_then(|answer| {
            check(answer.error_code, "log folders", None)?;
            // Who may not ask is answered with nothing at all.
            match answer.results.is_empty() {
                true => Err(Error::new(Fault::Authorization, "log folders")),
                false => Ok(answer.results.into_iter().map(log_dir).collect()),
            }
        });
        if let Err(error) = &told {
            tracing::debug!(%broker, "log folders: {}", Chain(error));
        }
        (*broker, told.map_err(|error| error.fault()))
    });
    join_all(asked).await.into_iter().collect()
}

fn log_dir(told: DescribeLogDirsResult) -> LogDir {
    let mut topics = BTreeMap::new();
    let mut moving = 0;
    for topic in told.topics {
        let sizes = topic.partitions.iter().map(|replica| u64::try_from(replica.partition_size).unwrap_or(0));
        topics.insert(Arc::from(topic.name.0.as_str()), sizes.sum());
        moving += topic.partitions.iter().filter(|replica| replica.is_future_key).count();
    }
    // Kafka writes -1 for what it does not know.
    let bytes = |told: i64| u64::try_from(told).ok();
    LogDir {
        path: told.log_dir.to_string(),
        fault: check(told.error_code, "", None).err().map(|error| error.fault()),
        total: bytes(told.total_bytes),
        usable: bytes(told.usable_bytes),
        topics,
        moving,
    }
}
