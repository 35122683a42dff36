//! The members of groups and the partitions assigned to each, from DescribeGroups, ConsumerGroupDescribe and
//! ShareGroupDescribe requests.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Buf, Bytes};
use futures_util::future::join_all;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, ShareGroupDescribeRequest,
};

use super::{
    committed::GROUPS_PER_REQUEST,
    groups::GroupKind,
    protocol::{check, group_id},
};
use crate::kafka::{BrokerId, Error, Fault, wire};

const DESCRIBE: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 5 };
/// For groups that speak KIP-848 (Kafka 4.0).
const DESCRIBE_CONSUMER: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 1 };

/// For share groups (Kafka 4.1).
const DESCRIBE_SHARE: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 1 };

/// A member of a group. All its texts are hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id of the member, which the broker chose.
    pub id: String,
    /// The `client.id` of the member.
    pub client: String,
    /// The address of the member, as the broker sees it.
    pub host: String,
    /// The partitions that are assigned to the member, by topic.
    pub partitions: BTreeMap<Arc<str>, Vec<i32>>,
}

/// A group as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The members of the group.
    pub members: Vec<Member>,
    /// The number of times that the group had to share out its partitions, since it exists. `None` for a classic group: its
    /// generation is not in the answer.
    pub epoch: Option<i32>,
}

/// Groups by coordinator and protocol.
pub type GroupsByCoordinator = BTreeMap<(BrokerId, GroupKind), Vec<Arc<str>>>;

/// Groups by name. A group that cannot be described has the fault.
type Descriptions = BTreeMap<Arc<str>, Result<Described, Fault>>;

/// The members of groups, from all coordinators at the same time. A group that cannot be described has the fault:
/// [`Fault::Unsupported`] for a share group before Kafka 4.1.
pub async fn members(cluster: &wire::Cluster, wanted: &GroupsByCoordinator) -> Descriptions {
    let asked = wanted.iter().map(async |((broker, kind), groups)| {
        let mut found = BTreeMap::new();
        for chunk in groups.chunks(GROUPS_PER_REQUEST) {
            let described = match kind {
                GroupKind::Consumer => consumer_groups(cluster, *broker, chunk).await,
                GroupKind::Share => share_groups(cluster, *broker, chunk).await,
                GroupKind::Classic | GroupKind::Other => classic_groups(cluster, *broker, chunk).await,
            };
            let failed = |fault| chunk.iter().map(|group| (group.clone(), Err(fault))).collect();
            let mut described: BTreeMap<_, _> = described.unwrap_or_else(|error| failed(error.fault()));
            let missing = || Err(Fault::Protocol);
            found.extend(
                chunk.iter().map(|group| (group.clone(), described.remove(group).unwrap_or_else(missing))),
            );
        }
        found
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn classic_groups(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> Result<Descriptions, Error> {
    let request = DescribeGroupsRequest::default().with_groups(names(groups));
    let answer = cluster.ask(broker, &request, DESCRIBE).await?;
    let described = answer.groups.into_iter().map(|group| {
        let members = group.members.into_iter().map(|member| {
            let partitions = assignment(member.member_assignment).unwrap_or_default();
            member_of(&member.member_id, &member.client_id, &member.client_host, partitions)
        });
        described(&group.group_id, group.error_code, None, members)
    });
    Ok(described.collect())
}

async fn consumer_groups(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> Result<Descriptions, Error> {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(names(groups));
    let answer = cluster.ask(broker, &request, DESCRIBE_CONSUMER).await?;
    let described = answer.groups.into_iter().map(|group| {
        let members = group.members.into_iter().map(|member| {
            let topics = member.assignment.topic_partitions.into_iter();
            let partitions = topics.map(|topic| (Arc::from(topic.topic_name.0.as_str()), topic.partitions));
            member_of(&member.member_id, &member.client_id, &member.client_host, partitions.collect())
        });
        described(&group.group_id, group.error_code, Some(group.group_epoch), members)
    });
    Ok(described.collect())
}

async fn share_groups(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> Result<Descriptions, Error> {
    let request = ShareGroupDescribeRequest::default().with_group_ids(names(groups));
    let answer = cluster.ask(broker, &request, DESCRIBE_SHARE).await?;
    let described = answer.groups.into_iter().map(|group| {
        let members = group.members.into_iter().map(|member| {
            let topics = member.assignment.topic_partitions.into_iter();
            let partitions = topics.map(|topic| (Arc::from(topic.topic_name.0.as_str()), topic.partitions));
            member_of(&member.member_id, &member.client_id, &member.client_host, partitions.collect())
        });
        described(&group.group_id, group.error_code, Some(group.group_epoch), members)
    });
    Ok(described.collect())
}

fn names(groups: &[Arc<str>]) -> Vec<GroupId> {
    groups.iter().map(|group| group_id(group)).collect()
}

fn described(
    name: &GroupId,
    error_code: i16,
    epoch: Option<i32>,
    members: impl Iterator<Item = Member>,
) -> (Arc<str>, Result<Described, Fault>) {
    let checked = check(error_code, "", None).map_err(|error| error.fault());
    (Arc::from(name.0.as_str()), checked.map(|()| Described { members: members.collect(), epoch }))
}

fn member_of(id: &str, client: &str, address: &str, partitions: BTreeMap<Arc<str>, Vec<i32>>) -> Member {
    Member { id: id.to_owned(), client: client.to_owned(), host: host(address), partitions }
}

/// The address of a member. Java writes a slash before an address that has no host name.
fn host(reported: &str) -> String {
    reported.trim_start_matches('/').to_owned()
}

/// The assignment of a member of a classic group, in the format of Kafka's consumers. Any client may have written the
/// bytes. `None` if they have another format.
fn assignment(mut bytes: Bytes) -> Option<BTreeMap<Arc<str>, Vec<i32>>> {
    let _version = bytes.try_get_i16().ok()?;
    let mut topics = BTreeMap::new();
    for _ in 0..bytes.try_get_i32().ok()? {
        let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
        let name = (length <= bytes.len()).then(|| bytes.split_to(length))?;
        let mut partitions = Vec::new();
        for _ in 0..bytes.try_get_i32().ok()? {
            partitions.push(bytes.try_get_i32().ok()?);
        }
        topics.insert(std::str::from_utf8(&name).ok()?.into(), partitions);
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn assignment_cut_off_or_empty_is_absent() {
        let mut bytes = BytesMut::new();
        bytes.put_slice(&[0, 1, 0, 0, 0, 2]);
        for (topic, partitions) in [("a", &[0, 7][..]), ("bc", &[])] {
            bytes.put_i16(topic.len() as i16);
            bytes.put_slice(topic.as_bytes());
            bytes.put_i32(partitions.len() as i32);
            partitions.iter().for_each(|partition| bytes.put_i32(*partition));
        }
        bytes.put_i32(-1);
        let expected = BTreeMap::from([("a".into(), vec![0, 7]), ("bc".into(), vec![])]);
        assert_eq!(assignment(bytes.clone().freeze()), Some(expected));
        assert_eq!(assignment(bytes.freeze().slice(..20)), None, "cut off");
        assert_eq!(assignment(Bytes::new()), None, "a member that has joined and has no assignment yet");
        assert_eq!((host("/10.0.0.1"), host("name/10.0.0.1")), ("10.0.0.1".into(), "name/10.0.0.1".into()));
    }

    proptest! {
        /// Reading ends for any bytes, and the result is not larger than the bytes.
        #[test]
        fn assignment_of_garbage_is_not_larger_than_its_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let size = bytes.len();
            let found = assignment(Bytes::from(bytes)).unwrap_or_default();
            prop_assert!(found.values().map(Vec::len).sum::<usize>() <= size / 4);
        }
    }
}
