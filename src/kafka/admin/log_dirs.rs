//! The log directories of brokers: their size by topic and their free space, from DescribeLogDirs requests.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{DescribeLogDirsRequest, describe_log_dirs_response::DescribeLogDirsResult};

use super::protocol::check;
use crate::{
    kafka::{BrokerId, Error, Fault, wire},
    text::Chain,
};

/// From version 4 on (Kafka 3.3, KIP-827) brokers report the space of the volume as well.
const DESCRIBE: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 4 };

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// The path of the directory, which is hostile text.
    pub path: String,
    /// Why the directory cannot be used. Absent while the directory is online.
    pub fault: Option<Fault>,
    /// The size of the directory's volume, in bytes. Absent before Kafka 3.3.
    pub total: Option<u64>,
    /// The free space of the volume, in bytes. Absent before Kafka 3.3.
    pub usable: Option<u64>,
    /// The size of all replicas of each topic in this directory, in bytes, by topic.
    pub topics: BTreeMap<Arc<str>, u64>,
    /// The number of replicas that are being moved into this directory from another one.
    pub moving: usize,
}

/// The log directories of each broker, from all brokers at the same time. A broker that does not answer has the fault.
pub async fn log_dirs(
    cluster: &wire::Cluster,
    brokers: &[BrokerId],
) -> BTreeMap<BrokerId, Result<Vec<LogDir>, Fault>> {
    let asked = brokers.iter().map(async |broker| {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = cluster.ask(*broker, &request, DESCRIBE).await;
        let log_dirs = answer.and_then(|answer| {
            check(answer.error_code, "log directories", None)?;
            // A principal without the permission gets an empty response and no error.
            if answer.results.is_empty() {
                return Err(Error::new(Fault::Authorization, "log directories"));
            }
            Ok(answer.results.into_iter().map(log_dir).collect())
        });
        if let Err(error) = &log_dirs {
            tracing::debug!(%broker, "log directories: {}", Chain(error));
        }
        (*broker, log_dirs.map_err(|error| error.fault()))
    });
    join_all(asked).await.into_iter().collect()
}

fn log_dir(described: DescribeLogDirsResult) -> LogDir {
    let mut topics = BTreeMap::new();
    let mut moving = 0;
    for topic in described.topics {
        let sizes = topic.partitions.iter().map(|replica| u64::try_from(replica.partition_size).unwrap_or(0));
        topics.insert(Arc::from(topic.name.0.as_str()), sizes.sum());
        moving += topic.partitions.iter().filter(|replica| replica.is_future_key).count();
    }
    // Kafka writes −1 for an unknown number of bytes.
    let bytes = |count: i64| u64::try_from(count).ok();
    LogDir {
        path: described.log_dir.to_string(),
        fault: check(described.error_code, "", None).err().map(|error| error.fault()),
        total: bytes(described.total_bytes),
        usable: bytes(described.usable_bytes),
        topics,
        moving,
    }
}
