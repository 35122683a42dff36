//! How the members of the group divide the clusters: what each of them sends, and what each of them gets.
//!
//! A cluster stays with the instance that collects it. Where one instance has more than its share, it is told to stop collecting some
//! clusters first, and another one gets them in the generation after that. So no cluster is ever collected twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of what members exchange. A member of another version gets nothing.
const VERSION: u32 = 1;

/// What a member sends when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    version: u32,
    /// The name of the instance.
    pub(super) instance: String,
    /// The clusters that the instance may collect.
    pub(super) clusters: Vec<String>,
    /// The clusters that the instance collects now.
    pub(super) collects: Vec<String>,
}

/// What a member gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    version: u32,
    /// The clusters that the member collects.
    pub(super) collects: Vec<String>,
    /// The instance that collects, by cluster.
    pub(super) leaders: BTreeMap<String, String>,
}

impl Subscription {
    pub(super) fn new(instance: &str, clusters: Vec<String>, collects: Vec<String>) -> Self {
        Self { version: VERSION, instance: instance.to_owned(), clusters, collects }
    }
}

/// Writes what members exchange.
pub(super) fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

/// Reads what a member sent. `None` if it is not of this version: any client may join the group.
pub(super) fn subscription(bytes: &[u8]) -> Option<Subscription> {
    decode(bytes).filter(|subscription: &Subscription| subscription.version == VERSION)
}

/// Reads the share of this member. `None` if it is not of this version.
pub(super) fn share(bytes: &[u8]) -> Option<Share> {
    decode(bytes).filter(|share: &Share| share.version == VERSION)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Divides the clusters among the members, by the id of the member.
pub(super) fn divide(members: &BTreeMap<String, Subscription>) -> BTreeMap<String, Share> {
    let mut clusters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, member) in members {
        for cluster in &member.clusters {
            clusters.entry(cluster).or_default().push(id);
        }
    }
    let most = clusters.len().div_ceil(members.len().max(1));
    let mut collects: BTreeMap<&str, Vec<&str>> =
        members.keys().map(|id| (id.as_str(), Vec::new())).collect();
    let mut free = Vec::new();
    for (cluster, candidates) in &clusters {
        let holder = candidates.iter().find(|id| members[**id].collects.iter().any(|held| held == cluster));
        match holder {
            // The holder must stop first if it has more than its share.
            Some(holder) => {
                if let Some(share) = collects.get_mut(holder).filter(|share| share.len() < most) {
                    share.push(cluster);
                }
            }
            None => free.push((*cluster, candidates)),
        }
    }
    for (cluster, candidates) in free {
        let least = candidates.iter().min_by_key(|id| collects[**id].len());
        if let Some(share) = least.and_then(|id| collects.get_mut(id)) {
            share.push(cluster);
        }
    }
    let leaders: BTreeMap<String, String> = collects
        .iter()
        .flat_map(|(id, clusters)| {
            clusters.iter().map(|cluster| ((*cluster).to_owned(), members[*id].instance.clone()))
        })
        .collect();
    let share = |clusters: Vec<&str>| Share {
        version: VERSION,
        collects: clusters.into_iter().map(str::to_owned).collect(),
        leaders: leaders.clone(),
    };
    collects.into_iter().map(|(id, clusters)| (id.to_owned(), share(clusters))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(instance: &str, clusters: &[&str], collects: &[&str]) -> Subscription {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Subscription::new(instance, owned(clusters), owned(collects))
    }

    fn members(all: &[Subscription]) -> BTreeMap<String, Subscription> {
        all.iter().enumerate().map(|(at, member)| (format!("member-{at}"), member.clone())).collect()
    }

    #[test]
    fn member_that_collects_goes_on_when_another_one_joins() {
        let shares = divide(&members(&[member("new", &["*"], &[]), member("old", &["*"], &["*"])]));
        assert_eq!(shares["member-1"].collects, ["*"]);
        assert!(shares["member-0"].collects.is_empty());
        assert_eq!(shares["member-0"].leaders["*"], "old");
    }

    #[test]
    fn cluster_above_a_fair_share_is_given_up_first_and_taken_over_afterwards() {
        let (old, new) = (member("old", &["a", "b"], &["a", "b"]), member("new", &["a", "b"], &[]));
        let shares = divide(&members(&[old, new.clone()]));
        assert_eq!(shares["member-0"].collects, ["a"]);
        assert!(shares["member-1"].collects.is_empty(), "the other member has not stopped yet");
        let shares = divide(&members(&[member("old", &["a", "b"], &["a"]), new]));
        assert_eq!(shares["member-1"].collects, ["b"]);
    }

    #[test]
    fn cluster_goes_only_to_members_that_have_it_in_their_configuration() {
        let shares = divide(&members(&[member("one", &["a"], &[]), member("two", &["a", "b", "c"], &[])]));
        assert_eq!(shares["member-0"].collects, ["a"]);
        assert_eq!(shares["member-1"].collects, ["b", "c"]);
    }

    #[test]
    fn bytes_of_another_program_are_no_subscription() {
        let mut other = member("one", &["a"], &[]);
        other.version = 2;
        for bytes in [Bytes::new(), Bytes::from_static(b"\0\x01"), Bytes::from_static(b"{}"), encode(&other)]
        {
            assert_eq!(subscription(&bytes), None);
        }
        let known = member("one", &["a"], &["a"]);
        assert_eq!(subscription(&encode(&known)), Some(known));
    }

    proptest! {
        #[test]
        fn every_cluster_is_collected_once_after_at_most_two_generations(
            clusters in 1_usize..30,
            held in prop::collection::vec(0_usize..6, 30),
            count in 1_usize..6,
        ) {
            let names: Vec<String> = (0..clusters).map(|at| format!("cluster-{at}")).collect();
            let mut members: BTreeMap<String, Subscription> = (0..count).map(|at| {
                let collects = names.iter().zip(&held).filter(|(_, holder)| **holder == at);
                let collects = collects.map(|(name, _)| name.clone()).collect();
                (format!("member-{at}"), Subscription::new(&format!("instance-{at}"), names.clone(), collects))
            }).collect();
            for _ in 0..2 {
                let before = members.clone();
                let shares = divide(&members);
                for (id, share) in shares {
                    for cluster in &share.collects {
                        let stolen = before.iter().any(|(other, member)| *other != id && member.collects.contains(cluster));
                        prop_assert!(!stolen, "{cluster} is still collected by another member");
                    }
                    members.get_mut(&id).expect("a member").collects = share.collects;
                }
            }
            let mut collected: Vec<&String> = members.values().flat_map(|member| &member.collects).collect();
            collected.sort();
            let mut all: Vec<&String> = names.iter().collect();
            all.sort();
            prop_assert_eq!(collected, all);
            let most = members.values().map(|member| member.collects.len()).max().unwrap_or(0);
            prop_assert!(most <= clusters.div_ceil(count));
        }
    }
}
