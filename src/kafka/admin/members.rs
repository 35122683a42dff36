//! The members of groups and the partitions assigned to each, from DescribeGroups and ConsumerGroupDescribe requests.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Buf, Bytes};
use futures_util::future::join_all;
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest};

use super::{
    committed::GROUPS_PER_REQUEST,
    groups::GroupKind,
    protocol::{check, group_id},
};
use crate::kafka::{BrokerId, Error, Fault, wire};

const DESCRIBE: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 5 };
/// For groups that speak KIP-848 (Kafka 4.0).
const DESCRIBE_CONSUMER: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 1 };

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

/// Groups by coordinator and protocol.
pub type GroupsByCoordinator = BTreeMap<(BrokerId, GroupKind), Vec<Arc<str>>>;

/// The members of groups, from all coordinators at the same time. A group that cannot be described has the fault.
pub async fn members(
    cluster: &wire::Cluster,
    wanted: &GroupsByCoordinator,
) -> BTreeMap<Arc<str>, Result<Vec<Member>, Fault>> {
    let asked = wanted.iter().map(async |((broker, kind), groups)| {
        let mut found = BTreeMap::new();
        for chunk in groups.chunks(GROUPS_PER_REQUEST) {
            let described = match kind {
                GroupKind::Consumer => consumer_members(cluster, *broker, chunk).await,
                _ => classic_members(cluster, *broker, chunk).await,
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

/// Members by group. A group that cannot be described has the fault.
type GroupMembers = BTreeMap<Arc<str>, Result<Vec<Member>, Fault>>;

async fn classic_members(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> Result<GroupMembers, Error> {
    let names = groups.iter().map(|group| group_id(group)).collect();
    let request = DescribeGroupsRequest::default().with_groups(names);
    let answer = cluster.ask(broker, &request, DESCRIBE).await?;
    let members = answer.groups.into_iter().map(|group| {
        let members = group.members.into_iter().map(|member| Member {
            id: member.member_id.to_string(),
            client: member.client_id.to_string(),
            host: host(&member.client_host),
            partitions: assignment(member.member_assignment).unwrap_or_default(),
        });
        let checked = check(group.error_code, "", None).map_err(|error| error.fault());
        (Arc::from(group.group_id.0.as_str()), checked.map(|()| members.collect()))
    });
    Ok(members.collect())
}

async fn consumer_members(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> Result<GroupMembers, Error> {
    let names = groups.iter().map(|group| group_id(group)).collect();
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(names);
    let answer = cluster.ask(broker, &request, DESCRIBE_CONSUMER).await?;
    let members = answer.groups.into_iter().map(|group| {
        let members = group.members.into_iter().map(|member| Member {
            id: member.member_id.to_string(),
            client: member.client_id.to_string(),
            host: host(&member.client_host),
            partitions: member
                .assignment
                .topic_partitions
                .into_iter()
                .map(|topic| (Arc::from(topic.topic_name.0.as_str()), topic.partitions))
                .collect(),
        });
        let checked = check(group.error_code, "", None).map_err(|error| error.fault());
        (Arc::from(group.group_id.0.as_str()), checked.map(|()| members.collect()))
    });
    Ok(members.collect())
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
