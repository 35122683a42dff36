//! The KRaft quorum: its active controller, and whether its voters have caught up.

use std::{collections::BTreeMap, time::Duration};

use kafka_protocol::messages::{
    DescribeQuorumRequest, describe_quorum_request, describe_quorum_response::ReplicaState,
};

use super::protocol::{check, known, topic_name};
use crate::kafka::{
    BrokerId, Error, Fault,
    wire::{self, VersionRange},
};

const DESCRIBE_QUORUM: VersionRange = VersionRange { lowest: 0, highest: 1 };

/// The topic and partition in which KRaft keeps its metadata.
const QUORUM_TOPIC: &str = "__cluster_metadata";

/// The KRaft quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller.
    pub leader: BrokerId,
    /// The epoch of the active controller. It grows with each election.
    pub epoch: i32,
}

/// How long before the leader each voter of the quorum was last caught up with the metadata log. Zero for the leader. `None` for a
/// voter that has not been caught up since the leader was elected, and for every voter if the broker sends no such times, as
/// before Kafka 3.3.
pub type Voters = BTreeMap<BrokerId, Option<Duration>>;

/// The leader of the KRaft quorum, and its voters.
///
/// # Errors
/// [`Fault::Unsupported`] without KRaft. [`Fault::Authorization`] if the principal may not describe the cluster.
/// [`Fault::NoLeader`] while the quorum has no leader.
pub async fn describe_quorum(cluster: &wire::Cluster) -> Result<(Quorum, Voters), Error> {
    let partition = describe_quorum_request::PartitionData::default().with_partition_index(0);
    let topic = describe_quorum_request::TopicData::default()
        .with_topic_name(topic_name(QUORUM_TOPIC))
        .with_partitions(vec![partition]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    let answer = cluster.ask_any(&request, DESCRIBE_QUORUM).await?;
    let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
    let code = partition.map_or(0, |partition| partition.error_code);
    check(answer.error_code, "the quorum", answer.error_message)?;
    check(code, "the quorum", None)?;
    let quorum = partition.and_then(|partition| {
        let leader = known(partition.leader_id)?;
        let quorum = Quorum { leader, epoch: partition.leader_epoch };
        Some((quorum, voters(leader, &partition.current_voters)))
    });
    quorum.ok_or_else(|| Error::new(Fault::NoLeader, "the quorum"))
}

/// How long before the leader each voter was last caught up. Both times are by the clock of the leader.
fn voters(leader: BrokerId, voters: &[ReplicaState]) -> Voters {
    let caught_up = |voter: &ReplicaState| u64::try_from(voter.last_caught_up_timestamp).ok();
    let of_leader = voters.iter().find(|voter| voter.replica_id.0 == leader.0).and_then(caught_up);
    let before = |voter: &ReplicaState| {
        let before = of_leader?.saturating_sub(caught_up(voter)?);
        Some(Duration::from_millis(before))
    };
    voters.iter().map(|voter| (BrokerId(voter.replica_id.0), before(voter))).collect()
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages;

    use super::*;

    fn voter(id: i32, last_caught_up: i64) -> ReplicaState {
        ReplicaState::default()
            .with_replica_id(messages::BrokerId(id))
            .with_last_caught_up_timestamp(last_caught_up)
    }

    #[test]
    fn voters_are_compared_with_the_leader() {
        let before = |all: &[ReplicaState]| voters(BrokerId(2), all).into_values().collect::<Vec<_>>();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(before(&[voter(1, 9_500), voter(2, 10_000), voter(3, -1)]), [ms(500), ms(0), None]);
        assert_eq!(before(&[voter(1, 10_500), voter(2, 10_000)]), [ms(0), ms(0)]);
        assert_eq!(before(&[voter(1, -1), voter(2, -1)]), [None, None], "a broker that sends no times");
        assert_eq!(before(&[voter(1, 10_000)]), [None], "the leader is no voter");
    }
}
