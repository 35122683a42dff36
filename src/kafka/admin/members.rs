//! Who is in a group, and what each has been given to read.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Buf, Bytes};
use futures_util::future::join_all;
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest};

use super::{
    committed::GROUPS_A_REQUEST,
    groups::GroupKind,
    protocol::{check, group_id},
};
use crate::kafka::{BrokerId, Error, Fault, wire};

const DESCRIBE: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 5 };
/// Of groups that speak KIP-848 (Kafka 4.0).
const DESCRIBE_CONSUMER: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 1 };

/// A member of a group. All of it is hostile text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id, which the broker made up.
    pub id: String,
    /// What the client calls itself.
    pub client: String,
    /// Its address, as the broker sees it.
    pub host: String,
    /// What it reads, by topic.
    pub partitions: BTreeMap<Arc<str>, Vec<i32>>,
}

/// Groups by coordinator and protocol.
pub type Described = BTreeMap<(BrokerId, GroupKind), Vec<Arc<str>>>;

/// The members of groups, asked of their coordinators, all at once. A group that cannot be described has the fault.
pub async fn members(
    cluster: &wire::Cluster,
    wanted: &Described,
) -> BTreeMap<Arc<str>, Result<Vec<Member>, Fault>> {
    let asked = wanted.iter().map(async |((broker, kind), groups)| {
        let mut found = BTreeMap::new();
        for chunk in groups.chunks(GROUPS_A_REQUEST) {
            let told = match kind {
                GroupKind::Consumer => consumer_members(cluster, *broker, chunk).await,
                _ => classic_members(cluster, *broker, chunk).await,
            };
            let failed = |fault| chunk.iter().map(|group| (group.clone(), Err(fault))).collect();
            let mut told: BTreeMap<_, _> = told.unwrap_or_else(|error| failed(error.fault()));
            let forgotten = || Err(Fault::Protocol);
            found.extend(
                chunk.iter().map(|group| (group.clone(), told.remove(group).unwrap_or_else(forgotten))),
            );
        }
        found
    });
    join_all(asked).await.into_iter().flatten().collect()
}

type Told = BTreeMap<Arc<str>, Result<Vec<Member>, Fault>>;

async fn classic_members(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> Result<Told, Error> {
    let names = groups.iter().map(|group| group_id(group)).collect();
    let request = DescribeGroupsRequest::default().with_groups(names);
    let answer = cluster.ask(broker, &request, DESCRIBE).await?;
    let told = answer.groups.into_iter().map(|group| {
        let members = group.members.into_iter().map(|member| Member {
            id: member.member_id.to_string(),
            client: member.client_id.to_string(),
            host: host(&member.client_host),
            partitions: assignment(member.member_assignment).unwrap_or_default(),
        });
        let checked = check(group.error_code, "", None).map_err(|error| error.fault());
        (Arc::from(group.group_id.0.as_str()), checked.map(|()| members.collect()))
    });
    Ok(told.collect())
}

async fn consumer_members(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> Result<Told, Error> {
    let names = groups.iter().map(|group| group_id(group)).collect();
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(names);
    let answer = cluster.ask(broker, &request, DESCRIBE_CONSUMER).await?;
    let told = answer.groups.into_iter().map(|group| {
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
    Ok(told.collect())
}

/// Java writes an address that has no name behind a slash.
fn host(told: &str) -> String {
    told.trim_start_matches('/').to_owned()
}

/// What a classic member was given, in the consumers' own format: any client may have written it. `None` for
/// another format, or nonsense.
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
    fn an_assignment_is_read_as_far_as_it_makes_sense() {
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
        assert_eq!(assignment(Bytes::new()), None, "a member that has joined and was given nothing yet");
        assert_eq!((host("/10.0.0.1"), host("name/10.0.0.1")), ("10.0.0.1".into(), "name/10.0.0.1".into()));
    }

    proptest! {
        /// Whatever a client wrote, reading it ends, and takes no more memory than there are bytes.
        #[test]
        fn garbage_is_no_assignment_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let size = bytes.len();
            let found = assignment(Bytes::from(bytes)).unwrap_or_default();
            prop_assert!(found.values().map(Vec::len).sum::<usize>() <= size / 4);
        }
    }
}
