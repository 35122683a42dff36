//! The conditions that the metadata of the cluster show.

use std::{collections::BTreeSet, time::Duration};

use super::{
    condition::{Condition, Finding},
    facts::Facts,
};
use crate::{
    cluster::metadata::Snapshot,
    collect::topology::Health,
    kafka::{BrokerId, Capability, Fault, Request, admin::Partition},
    text::{list, plain},
};

/// A voter that was last caught up so long before the leader is behind. Voters fetch at least twice a second.
const BEHIND: Duration = Duration::from_secs(5);

/// That the metadata are not known. The conditions that follow from the metadata then have no finding of their own.
pub(super) fn metadata(facts: &Facts) -> Option<Finding> {
    let sentence = match (&facts.metadata.failure, facts.metadata.fresh()) {
        (Some(failure), _) => format!("The cluster does not send its metadata: {}.", plain(&failure.message)),
        (None, None) => "The metadata of the cluster are not known yet.".to_owned(),
        (None, Some(_)) => return None,
    };
    Some(Finding::closes(Condition::Metadata, sentence))
}

/// The brokers that are missing.
pub(super) fn brokers(facts: &Facts) -> Option<Finding> {
    let missing = facts.verdict.missing.as_ref()?;
    let sentence = missing.replacen("the metadata", "The metadata", 1);
    Some(Finding::closes(Condition::Brokers, format!("{sentence}.")))
}

/// The partitions without a leader and those whose replicas are not all in sync, and whether topics are hidden.
pub(super) fn in_sync_replicas(facts: &Facts) -> Vec<Finding> {
    let Some(metadata) = facts.metadata.fresh() else { return Vec::new() };
    let condition = Condition::InSyncReplicas;
    let closing = [leaderless(metadata), out_of_sync(metadata), unknown(metadata)];
    let closing = closing.into_iter().flatten().map(|sentence| Finding::closes(condition, sentence));
    let collect = facts.collect.fresh();
    let hidden = collect.filter(|collect| collect.hiding.contains(&Request::Metadata)).map(|collect| {
        let refusal = Request::Metadata.refusal(collect.described);
        Finding::unchecked(
            condition,
            format!("Topics that the principal may not see are not checked: {refusal}."),
        )
    });
    closing.chain(hidden).collect()
}

/// Every partition of the metadata with the name of its topic and its number.
fn partitions(metadata: &Snapshot) -> impl Iterator<Item = (&String, &i32, &Partition)> {
    let topics = metadata.topics.iter().filter_map(|(name, topic)| Some((name, topic.as_ref().ok()?)));
    topics.flat_map(|(name, topic)| {
        topic.partitions.iter().map(move |(number, partition)| (name, number, partition))
    })
}

fn is_out_of_sync(partition: &Partition) -> bool {
    partition.replicas.iter().any(|replica| !partition.isr.contains(replica))
}

fn leaderless(metadata: &Snapshot) -> Option<String> {
    let mut leaderless = partitions(metadata).filter(|(.., partition)| partition.leader.is_none());
    let (topic, number, _) = leaderless.next()?;
    let count = 1 + leaderless.count();
    Some(count_of(count, "has no leader", "have no leader", topic, *number))
}

fn out_of_sync(metadata: &Snapshot) -> Option<String> {
    let mut missing: BTreeSet<BrokerId> = BTreeSet::new();
    let (mut count, mut first) = (0, None);
    for (topic, number, partition) in partitions(metadata).filter(|(.., partition)| is_out_of_sync(partition))
    {
        missing.extend(partition.replicas.iter().filter(|replica| !partition.isr.contains(replica)));
        first = first.or(Some((topic, *number)));
        count += 1;
    }
    let (topic, number) = first?;
    let brokers = list("broker", &Vec::from_iter(missing))?;
    let one = format!("lacks {brokers} among its in-sync replicas");
    let many = format!("lack {brokers} among their in-sync replicas");
    Some(count_of(count, &one, &many, topic, number))
}

/// The topics for which Kafka sends an error.
fn unknown(metadata: &Snapshot) -> Option<String> {
    let (name, fault) =
        metadata.topics.iter().find_map(|(name, topic)| Some((name, topic.as_ref().err()?)))?;
    Some(format!("It is not known whether the replicas of topic {} are in sync: {fault}.", plain(name)))
}

/// A sentence about a number of partitions, one of which is named.
fn count_of(count: usize, one: &str, many: &str, topic: &str, number: i32) -> String {
    let topic = plain(topic);
    match count {
        1 => format!("Partition {number} of topic {topic} {one}."),
        _ => format!("{count} partitions {many}, for example partition {number} of topic {topic}."),
    }
}

/// The partitions that are being moved to other brokers.
///
/// A reassignment adds replicas that are not in sync, and ends once they are. So no partition is being moved while all
/// replicas are in sync, and the request for reassignments is sent only otherwise.
pub(super) fn reassignments(facts: &Facts) -> Option<Finding> {
    let metadata = facts.metadata.fresh()?;
    if !partitions(metadata).any(|(.., partition)| is_out_of_sync(partition)) {
        return None;
    }
    let health = facts.collect.fresh().map(|collect| Health::sum(collect.topology.health.values()));
    let sentence = match health.map(|health| health.reassigning) {
        Some(Some(0)) => return None,
        Some(Some(1)) => "One partition is being moved to other brokers.".to_owned(),
        Some(Some(moving)) => format!("{moving} partitions are being moved to other brokers."),
        Some(None) => {
            let (request, permission) =
                (Request::ListPartitionReassignments, Request::ListPartitionReassignments.permission());
            format!(
                "It is not known whether partitions are being moved to other brokers: {} needs {permission}.",
                request.as_str()
            )
        }
        None if !facts.settings.lag.enabled && !facts.settings.freshness.enabled => {
            "It is not known whether partitions are being moved to other brokers: enabled is false in [lag] and [freshness]."
                .to_owned()
        }
        None if facts.collect.waits => {
            "It is not known here whether partitions are being moved to other brokers: ask the instance that collects, which /leader names."
                .to_owned()
        }
        None => "It is not known yet whether partitions are being moved to other brokers.".to_owned(),
    };
    Some(Finding::closes(Condition::Reassignments, sentence))
}

/// Whether the quorum has a leader, and which voters are behind.
pub(super) fn quorum(facts: &Facts) -> Option<Finding> {
    let metadata = facts.metadata.fresh()?;
    let closes = |sentence: String| Some(Finding::closes(Condition::Quorum, sentence));
    let unchecked = |sentence: &str| Some(Finding::unchecked(Condition::Quorum, sentence));
    let Some(quorum) = metadata.quorum else {
        return match (metadata.quorum_capability, metadata.quorum_fault) {
            (Capability::Unsupported, _) => {
                unchecked("The quorum is not checked: the cluster does not know the request DescribeQuorum.")
            }
            (Capability::Denied, _) => {
                let refusal = Request::DescribeQuorum.refusal(Capability::Denied);
                closes(format!("The state of the quorum is not known: {refusal}."))
            }
            (_, Some(Fault::NoLeader)) => closes("The quorum has no leader.".to_owned()),
            (_, Some(fault)) => {
                closes(format!("The state of the quorum is not known: DescribeQuorum failed: {fault}."))
            }
            (_, None) => closes("The state of the quorum is not known yet.".to_owned()),
        };
    };
    // The leader is always caught up.
    if !metadata.voters.get(&quorum.leader).is_some_and(Option::is_some) {
        return unchecked(
            "It is not checked whether the voters of the quorum are caught up: Kafka before 3.3 sends no times.",
        );
    }
    let behind = metadata.voters.iter().filter(|(_, behind)| behind.is_none_or(|behind| behind > BEHIND));
    let behind: Vec<_> = behind.map(|(voter, _)| *voter).collect();
    let has = if behind.len() == 1 { "has" } else { "have" };
    let voters = list("Voter", &behind)?;
    closes(format!("{voters} of the quorum {has} not caught up with the metadata log."))
}
