//! How often consumer groups rebalance, and for how long, as far as collection cycles see it.
//!
//! Brokers count the rebalances of a group of KIP-848 or KIP-932 in its epoch, so none of them is missed. They do not report the
//! generation of a classic group: a rebalance is seen if a cycle meets it, or if the members are others than in the cycle before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::kafka::admin::{GroupState, Member};

/// A rebalance that lasts longer will hardly end by itself. Members have `max.poll.interval.ms` to join again, which is five
/// minutes unless it is set.
const ENDLESS: Duration = Duration::from_secs(300);

/// The rebalances of a group since the service first saw the group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebalances {
    /// The number of rebalances that were seen.
    pub count: u64,
    /// The number of members that joined and left. `None` while the members are not known.
    pub members: Option<Moves>,
    /// For how long the group was seen rebalancing: the times between two cycles that both met a rebalance.
    pub time: Duration,
    /// For how long the group has been rebalancing. Zero if it is not, and `None` if its state is not known.
    pub lasting: Option<Duration>,
}

/// Members that came and went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moves {
    /// The number of members that joined.
    pub joined: u64,
    /// The number of members that left.
    pub left: u64,
}

impl Rebalances {
    /// Whether the group has been rebalancing for longer than members may take to join.
    pub fn is_endless(&self) -> bool {
        self.lasting.is_some_and(|lasting| lasting >= ENDLESS)
    }
}

/// A group that began or ceased to rebalance without end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endless {
    pub(crate) group: Arc<str>,
    /// For how long the group has been rebalancing. `None` if it does not any more.
    pub(crate) lasting: Option<Duration>,
}

/// A group as a cycle sees it.
pub(crate) struct Seen<'a> {
    pub(crate) state: GroupState,
    /// `None` if the members are not known.
    pub(crate) members: Option<&'a [Member]>,
    /// `None` for a classic group, and if the epoch is not known.
    pub(crate) epoch: Option<i32>,
}

/// The memory of the rebalances of all groups between cycles.
#[derive(Debug, Default)]
pub(crate) struct Watch(BTreeMap<Arc<str>, Memory>);

/// What is remembered of one group.
#[derive(Debug, Default)]
struct Memory {
    seen: Rebalances,
    /// When the last cycle that knew the state was, and whether the group was rebalancing.
    last: Option<(Duration, bool)>,
    /// When the rebalance that lasts was first seen.
    since: Option<Duration>,
    epoch: Option<i32>,
    /// Whether the group was rebalancing without end when its state was last known.
    is_endless: bool,
    /// The ids of the members.
    members: Option<BTreeSet<String>>,
}

impl Watch {
    /// Takes in a group as a cycle sees it. `now` is the time of a clock that is never set back. Returns its rebalances, and whether it
    /// began or ceased to rebalance without end.
    pub(crate) fn observe(
        &mut self,
        name: &Arc<str>,
        seen: &Seen<'_>,
        now: Duration,
    ) -> (Rebalances, Option<Endless>) {
        let memory = self.0.entry(name.clone()).or_default();
        let was_endless = memory.is_endless;
        memory.take_in(seen, now);
        let rebalances = memory.seen;
        let change = (memory.is_endless != was_endless).then(|| {
            let lasting = rebalances.lasting.filter(|_| memory.is_endless);
            Endless { group: name.clone(), lasting }
        });
        (rebalances, change)
    }

    /// Forgets the groups that a cycle did not see.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| is_there(name));
    }
}

impl Memory {
    fn take_in(&mut self, group: &Seen<'_>, now: Duration) {
        let are_others = self.compare_members(group);
        let by_epoch = self.compare_epochs(group.epoch);
        if group.state == GroupState::Unknown {
            self.seen.count += by_epoch.unwrap_or(0);
            self.seen.lasting = None;
            return;
        }
        let is_rebalancing = group.state == GroupState::Rebalancing;
        let before = self.last.replace((now, is_rebalancing));
        let was_rebalancing = before.is_some_and(|(_, was)| was);
        let was_stable = before.is_some_and(|(_, was)| !was);
        // A request that failed leaves the epoch unknown, and the next epoch counts for it.
        let is_new = self.epoch.is_none()
            && was_stable
            && (is_rebalancing || are_others && group.state == GroupState::Stable);
        self.seen.count += by_epoch.unwrap_or(u64::from(is_new));
        if let Some((at, true)) = before.filter(|_| is_rebalancing) {
            self.seen.time += now.saturating_sub(at);
        }
        self.since = is_rebalancing.then(|| self.since.filter(|_| was_rebalancing).unwrap_or(now));
        self.seen.lasting = Some(self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since)));
        self.is_endless = self.seen.is_endless();
    }

    /// Counts the members that joined and left. Returns whether there are any.
    fn compare_members(&mut self, group: &Seen<'_>) -> bool {
        let Some(members) = group.members else { return false };
        let now: BTreeSet<String> = members.iter().map(|member| member.id.clone()).collect();
        let moves = self.seen.members.get_or_insert_default();
        let before = self.members.replace(now.clone()).unwrap_or_else(|| now.clone());
        let (joined, left) = (now.difference(&before).count() as u64, before.difference(&now).count() as u64);
        moves.joined += joined;
        moves.left += left;
        joined + left > 0
    }

    /// The number of rebalances since the epoch that was seen last. `None` if an epoch is not known.
    fn compare_epochs(&mut self, epoch: Option<i32>) -> Option<u64> {
        let before = self.epoch.replace(epoch?)?;
        // A group that was deleted and created again begins at 0.
        Some(u64::try_from(i64::from(epoch?) - i64::from(before)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::admin::Member;

    /// A group in a state, with members that are each named by a letter, and with an epoch.
    type Cycle = (GroupState, Option<&'static str>, Option<i32>);

    /// What is known of a group after cycles ten seconds apart, and when it began or ceased to rebalance without end.
    fn after(cycles: impl IntoIterator<Item = Cycle>) -> (Rebalances, Vec<(usize, Option<u64>)>) {
        let (mut watch, mut changes, mut last) = (Watch::default(), Vec::new(), Rebalances::default());
        for (number, (state, members, epoch)) in cycles.into_iter().enumerate() {
            let member = |id: char| Member {
                id: id.to_string(),
                client: String::new(),
                host: String::new(),
                partitions: BTreeMap::new(),
            };
            let members: Option<Vec<_>> = members.map(|ids| ids.chars().map(member).collect());
            let seen = Seen { state, members: members.as_deref(), epoch };
            let (rebalances, change) =
                watch.observe(&"g".into(), &seen, Duration::from_secs(10 * number as u64));
            changes.extend(change.map(|change| (number, change.lasting.map(|time| time.as_secs()))));
            last = rebalances;
        }
        (last, changes)
    }

    #[test]
    fn rebalance_of_a_classic_group_is_counted_once_whether_a_cycle_meets_it_or_not() {
        use GroupState::{Empty, Rebalancing, Stable};
        let plain = |states: &[GroupState]| after(states.iter().map(|state| (*state, None, None))).0;
        let count = |states: &[GroupState]| plain(states).count;
        assert_eq!(count(&[Stable, Stable, Empty, Stable]), 0, "members are not known");
        assert_eq!(count(&[Rebalancing, Rebalancing, Stable]), 0, "it began before the group was first seen");
        assert_eq!(count(&[Stable, Rebalancing, Rebalancing, Stable, Rebalancing]), 2);
        let seen = plain(&[Stable, Rebalancing, Rebalancing, Rebalancing]);
        assert_eq!((seen.time.as_secs(), seen.lasting), (20, Some(Duration::from_secs(20))));
        assert_eq!(seen.members, None);
        let ended = plain(&[Stable, Rebalancing, Rebalancing, Stable]);
        assert_eq!((ended.time.as_secs(), ended.lasting), (10, Some(Duration::ZERO)));

        let with = |cycles: &[(GroupState, &'static str)]| {
            after(cycles.iter().map(|(state, members)| (*state, Some(*members), None))).0
        };
        let seen =
            with(&[(Stable, "ab"), (Stable, "abc"), (Rebalancing, "abc"), (Stable, "bc"), (Empty, "")]);
        assert_eq!((seen.count, seen.members), (2, Some(Moves { joined: 1, left: 3 })));
    }

    #[test]
    fn epochs_count_every_rebalance_and_a_group_that_begins_again_counts_none() {
        use GroupState::{Empty, Rebalancing, Stable};
        let epochs = |epochs: &[(GroupState, Option<i32>)]| {
            after(epochs.iter().map(|(state, epoch)| (*state, None, *epoch))).0.count
        };
        assert_eq!(epochs(&[(Stable, Some(3)), (Stable, Some(7)), (Rebalancing, Some(8))]), 5);
        assert_eq!(epochs(&[(Stable, Some(3)), (Empty, None), (Stable, Some(5))]), 2);
        assert_eq!(epochs(&[(Stable, Some(5)), (Rebalancing, None), (Stable, Some(6))]), 1);
        assert_eq!(epochs(&[(Stable, Some(30)), (Stable, Some(1)), (Stable, Some(2))]), 1);
        assert_eq!(epochs(&[(Stable, Some(i32::MIN)), (Stable, Some(i32::MAX))]), u64::from(u32::MAX));
    }

    #[test]
    fn group_rebalances_without_end_after_five_minutes_until_it_is_stable() {
        use GroupState::{Rebalancing, Stable, Unknown};
        let states = [vec![Stable], vec![Rebalancing; 32], vec![Unknown, Rebalancing, Stable]].concat();
        let (seen, changes) = after(states.iter().map(|state| (*state, None, None)));
        assert_eq!(changes, [(31, Some(300)), (35, None)]);
        assert_eq!((seen.count, seen.time.as_secs()), (1, 330));
        let (unknown, _) = after(states[..34].iter().map(|state| (*state, None, None)));
        assert_eq!(unknown.lasting, None, "the state is not known");
    }
}
