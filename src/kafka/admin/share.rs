//! The start offsets of share groups (KIP-932), from DescribeShareGroupOffsets requests.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{
    DescribeShareGroupOffsetsRequest,
    describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup,
};

use super::{
    committed::{CommittedOffsets, GROUPS_PER_REQUEST},
    protocol::{check, group_id},
};
use crate::{
    kafka::{BrokerId, Fault, wire},
    text::Chain,
};

const DESCRIBE_OFFSETS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 0 };

/// The start offsets of share groups, from all coordinators at the same time. The group has finished all records before
/// its start offset. A group whose offsets cannot be read has the fault: [`Fault::Unsupported`] before Kafka 4.1.
pub async fn share_offsets(
    cluster: &wire::Cluster,
    by_coordinator: &BTreeMap<BrokerId, Vec<Arc<str>>>,
) -> BTreeMap<Arc<str>, Result<CommittedOffsets, Fault>> {
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
) -> BTreeMap<Arc<str>, Result<CommittedOffsets, Fault>> {
    let wanted = groups.iter().map(|group| {
        DescribeShareGroupOffsetsRequestGroup::default().with_group_id(group_id(group)).with_topics(None)
    });
    let request = DescribeShareGroupOffsetsRequest::default().with_groups(wanted.collect());
    let answer = match cluster.ask(broker, &request, DESCRIBE_OFFSETS).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%broker, "share groups: {}", Chain(&error));
            return groups.iter().map(|group| (group.clone(), Err(error.fault()))).collect();
        }
    };
    let mut found: BTreeMap<_, _> =
        groups.iter().map(|group| (group.clone(), Err(Fault::Protocol))).collect();
    for described in answer.groups {
        let Some(group) = found.get_mut(described.group_id.0.as_str()) else { continue };
        *group = check(described.error_code, "", None).map_err(|error| error.fault()).map(|()| {
            let topics = described.topics.into_iter().map(|topic| {
                let partitions = topic.partitions.into_iter();
                let partitions = partitions.filter_map(|partition| {
                    let failed = check(partition.error_code, "", None).err().map(|error| error.fault());
                    // Kafka writes −1 for a partition from which the group has not read yet.
                    let begun = (partition.start_offset >= 0).then_some(Ok(partition.start_offset));
                    Some((partition.partition_index, failed.map(Err).or(begun)?))
                });
                (Arc::from(topic.topic_name.0.as_str()), partitions.collect::<BTreeMap<_, _>>())
            });
            topics.filter(|(_, partitions)| !partitions.is_empty()).collect()
        });
    }
    found
}
