//! The start offsets of share groups (KIP-932) and their lag, from DescribeShareGroupOffsets requests.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{
    DescribeShareGroupOffsetsRequest,
    describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup,
};

use super::{
    committed::{CommittedOffsets, GROUPS_PER_REQUEST},
    protocol::{fault_of, group_id},
    share_messages::{DescribeShareOffsets, DescribedGroup},
};
use crate::{
    kafka::{BrokerId, Fault, wire},
    text::Chain,
};

const DESCRIBE_OFFSETS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 1 };

/// Numbers of records by topic and partition.
pub type ShareLags = BTreeMap<Arc<str>, BTreeMap<i32, i64>>;

/// Where a share group is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareOffsets {
    /// The start offsets. The group has finished all records before its start offset, and perhaps some after it.
    pub starts: CommittedOffsets,
    /// The number of records that the group has not finished, as the coordinator counts them. A partition for which it does not is
    /// absent, as is every partition before Kafka 4.2.
    pub lags: ShareLags,
}

/// Where share groups are, from all coordinators at the same time. A group whose offsets cannot be read has the fault:
/// [`Fault::Unsupported`] before Kafka 4.1.
pub async fn share_offsets(
    cluster: &wire::Cluster,
    by_coordinator: &BTreeMap<BrokerId, Vec<Arc<str>>>,
) -> BTreeMap<Arc<str>, Result<ShareOffsets, Fault>> {
    let asked = by_coordinator.iter().map(async |(broker, groups)| {
        let mut found = BTreeMap::new();
        for chunk in groups.chunks(GROUPS_PER_REQUEST) {
            found.extend(ask(cluster, *broker, chunk).await);
        }
        found
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> BTreeMap<Arc<str>, Result<ShareOffsets, Fault>> {
    let wanted = groups.iter().map(|group| {
        DescribeShareGroupOffsetsRequestGroup::default().with_group_id(group_id(group)).with_topics(None)
    });
    let request = DescribeShareGroupOffsetsRequest::default().with_groups(wanted.collect());
    let answer = match cluster.ask(broker, &DescribeShareOffsets(request), DESCRIBE_OFFSETS).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%broker, "share groups: {}", Chain(&error));
            return groups.iter().map(|group| (group.clone(), Err(error.fault()))).collect();
        }
    };
    let mut found: BTreeMap<_, _> =
        groups.iter().map(|group| (group.clone(), Err(Fault::Protocol))).collect();
    for described in answer.groups {
        if let Some(group) = found.get_mut(described.group.as_str()) {
            *group = fault_of(described.error_code).map(|()| offsets(described));
        }
    }
    found
}

fn offsets(described: DescribedGroup) -> ShareOffsets {
    let mut found = ShareOffsets::default();
    for (topic, partitions) in described.topics {
        let (mut starts, mut lags) = (BTreeMap::new(), BTreeMap::new());
        for partition in partitions {
            let number = partition.partition;
            if let Err(fault) = fault_of(partition.error_code) {
                starts.insert(number, Err(fault));
            } else if partition.start_offset >= 0 {
                starts.insert(number, Ok(partition.start_offset));
                lags.extend((partition.lag >= 0).then_some((number, partition.lag)));
            }
        }
        let topic: Arc<str> = topic.into();
        if !starts.is_empty() {
            found.starts.insert(topic.clone(), starts);
            found.lags.insert(topic, lags);
        }
    }
    found
}
