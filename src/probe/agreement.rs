//! Whether the brokers agree in their metadata of the heartbeat topic.
//!
//! A broker that has lost the controller still serves clients, and sends them to former leaders. One answer does not show
//! that, because each is plausible alone. So each broker is asked in the session that checks its connectivity, and the answers
//! are compared. A broker that has left the metadata of the others is asked for a while longer, because its clients still use it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    kafka::{
        BrokerId, TopicId,
        admin::{self, Broker, Partition, Topic},
        wire,
    },
    text,
};

/// A new leader is known to every broker within a fraction of a second. A difference counts if it lasts for so long.
const LASTS: Duration = Duration::from_millis(800);

/// A broker that has left the metadata is asked for so long.
const ASKED_ON: Duration = Duration::from_secs(300);

/// The largest number of brokers that are asked after they left the metadata.
const MOST_LEFT: usize = 16;

/// The largest number of partitions that are compared.
const MOST_PARTITIONS: usize = 1000;

/// The longest time for the answers of one broker.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the brokers that answered say about the heartbeat topic, by broker: how the broker differs from the others. `None` if it
/// agrees with them or has not differed for long enough. A broker that did not answer is absent, and so is every broker while
/// fewer than two have answered.
pub type Snapshot = BTreeMap<BrokerId, Option<Disagreement>>;

/// How the metadata of one broker differ from those of the others, for longer than a change takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disagreement {
    /// It names the leader of an older epoch.
    OldLeader {
        /// The partition of the heartbeat topic.
        partition: i32,
        /// The leader that it names, and the epoch of that leader.
        named: (Option<BrokerId>, i32),
        /// The leader that the others name, and the epoch of that leader.
        newer: (Option<BrokerId>, i32),
    },
    /// It names the broker of this address as the leader of this partition, but refuses to lead it: another broker answers.
    OtherBroker(i32),
    /// It names another topic by the name of the heartbeat topic, as after a deletion that it does not know of.
    Topic,
    /// It names other brokers as the brokers of the cluster.
    Brokers(BTreeSet<BrokerId>),
    /// It names other brokers as the in-sync replicas of this partition.
    InSync(i32, BTreeSet<BrokerId>),
}

impl Disagreement {
    /// The difference as a sentence without a capital letter and a full stop.
    pub fn sentence(&self, broker: BrokerId) -> String {
        let name =
            |leader: Option<BrokerId>| leader.map_or("no broker".to_owned(), |id| format!("broker {id}"));
        let list = |brokers: &BTreeSet<BrokerId>| {
            let brokers: Vec<_> = brokers.iter().copied().collect();
            text::list("broker", &brokers).unwrap_or_else(|| "no broker".to_owned())
        };
        match self {
            Self::OldLeader { partition, named: (leader, epoch), newer: (newer, newer_epoch) } => format!(
                "broker {broker} names {} of epoch {epoch} as the leader of partition {partition}, and others name {} of \
                 epoch {newer_epoch}",
                name(*leader),
                name(*newer)
            ),
            Self::OtherBroker(partition) => format!(
                "the broker at the address of broker {broker} names broker {broker} as the leader of partition {partition} \
                 and refuses to lead it"
            ),
            Self::Topic => format!("broker {broker} knows another topic by the name of the heartbeat topic"),
            Self::Brokers(brokers) => {
                format!(
                    "broker {broker} names {} as the brokers of the cluster, and others do not",
                    list(brokers)
                )
            }
            Self::InSync(partition, isr) => format!(
                "broker {broker} names {} as the in-sync replicas of partition {partition}, and others do not",
                list(isr)
            ),
        }
    }
}

/// What one broker said of the heartbeat topic.
#[derive(Debug, Clone)]
pub(super) struct View {
    asked: Instant,
    brokers: BTreeSet<BrokerId>,
    /// Absent if the broker does not know the topic, or does not describe it to the principal.
    topic: Option<Topic>,
    /// A partition that the broker refuses to lead, although it names itself: another broker answers at its address.
    pub(super) refused: Option<i32>,
}

/// Asks the broker of a session for the heartbeat topic. `None` if it does not answer before the deadline.
pub(super) async fn ask(
    session: &wire::Connection,
    broker: BrokerId,
    topic: &str,
    deadline: Instant,
) -> Option<View> {
    let asked = Instant::now();
    let deadline = deadline.min(asked + PATIENCE);
    let metadata = admin::metadata_of_broker(session, topic, deadline).await;
    let mut metadata = metadata.inspect_err(|error| tracing::debug!(%broker, "metadata: {error}")).ok()?;
    let brokers = metadata.brokers.into_keys().collect();
    let described = metadata.topics.remove(topic).and_then(Result::ok);
    let partitions = described.iter().flat_map(|topic| &topic.partitions);
    let led = partitions.filter(|(_, partition)| partition.leader == Some(broker)).map(|(number, _)| *number);
    let mut refused = None;
    if let Some(led) = led.min() {
        let leads = admin::is_leader(session, &Arc::from(topic), led, deadline).await;
        refused = leads.is_ok_and(|leads| !leads).then_some(led);
    }
    Some(View { asked, brokers, topic: described, refused })
}

/// The last answers of all brokers.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// The brokers that are asked, with the instant at which the metadata last listed them.
    listed: BTreeMap<BrokerId, (Broker, Instant)>,
    views: BTreeMap<BrokerId, View>,
    /// Since when a broker has differed in this way.
    since: BTreeMap<(BrokerId, Disagreement), Instant>,
    /// The result of the last comparison of each broker.
    found: Snapshot,
}

impl Agreement {
    /// Learns which brokers the metadata list. Returns those that left a while ago and are still to be asked.
    pub(super) fn left(
        &mut self,
        listed: &BTreeMap<BrokerId, Broker>,
        now: Instant,
    ) -> Vec<(BrokerId, Broker)> {
        self.listed.extend(listed.iter().map(|(id, broker)| (*id, (broker.clone(), now))));
        self.listed.retain(|_, (_, at)| now.saturating_duration_since(*at) < ASKED_ON);
        self.views.retain(|broker, _| self.listed.contains_key(broker));
        let left = self.listed.iter().filter(|(id, _)| !listed.contains_key(id));
        left.take(MOST_LEFT).map(|(id, (broker, _))| (*id, broker.clone())).collect()
    }

    /// Adds the last answer of a broker. `None` if it did not answer.
    pub(super) fn add(&mut self, broker: BrokerId, view: Option<View>) {
        match view {
            Some(view) => _ = self.views.insert(broker, view),
            None => _ = self.views.remove(&broker),
        }
    }

    /// Compares the answers since `begun`. A broker that was not asked since keeps its result.
    pub(super) fn compare(&mut self, begun: Instant) -> Snapshot {
        self.found.retain(|broker, _| self.views.contains_key(broker));
        let fresh = self.views.iter().filter(|(_, view)| view.asked >= begun);
        let fresh: BTreeMap<BrokerId, &View> = fresh.map(|(broker, view)| (*broker, view)).collect();
        if self.views.len() < 2 {
            self.since.clear();
            self.found.clear();
            return Snapshot::new();
        }
        // One answer alone cannot be compared.
        if fresh.len() < 2 {
            return self.found.clone();
        }
        let summary = Summary::of(fresh.values().copied());
        let mut differences = BTreeMap::new();
        for (broker, view) in &fresh {
            for difference in summary.differences(view) {
                differences.insert((*broker, difference), view.asked);
            }
            self.found.insert(*broker, None);
        }
        self.since.retain(|key, _| differences.contains_key(key) || !fresh.contains_key(&key.0));
        for ((broker, difference), asked) in differences {
            let since = *self.since.entry((broker, difference.clone())).or_insert(asked);
            if asked >= since + LASTS {
                let found = self.found.entry(broker).or_default();
                *found = found.take().or(Some(difference));
            }
        }
        self.found.clone()
    }
}

/// How many brokers gave which answer.
#[derive(Default)]
struct Summary<'a> {
    brokers: Tally<&'a BTreeSet<BrokerId>>,
    topics: Tally<TopicId>,
    /// By topic and partition: the epochs of the leaders, the lowest first.
    epochs: BTreeMap<At, Vec<Named>>,
    in_sync: BTreeMap<At, Tally<BTreeSet<BrokerId>>>,
}

impl<'a> Summary<'a> {
    fn of(views: impl Iterator<Item = &'a View>) -> Self {
        let mut summary = Self::default();
        for view in views {
            summary.brokers.add(&view.brokers);
            let Some(topic) = &view.topic else { continue };
            topic.id.into_iter().for_each(|id| summary.topics.add(id));
            for (number, partition) in topic.partitions.iter().take(MOST_PARTITIONS) {
                let at = (topic.id, *number);
                summary.epochs.entry(at).or_default().push((partition.leader_epoch, partition.leader));
                summary.in_sync.entry(at).or_default().add(in_sync(partition));
            }
        }
        summary.epochs.values_mut().for_each(|epochs| epochs.sort_unstable());
        summary
    }

    /// How one of these views differs from the others at this moment.
    fn differences(&self, view: &View) -> Vec<Disagreement> {
        let mut found: Vec<_> = view.refused.map(Disagreement::OtherBroker).into_iter().collect();
        if self.brokers.is_odd(&&view.brokers) {
            found.push(Disagreement::Brokers(view.brokers.clone()));
        }
        let Some(topic) = &view.topic else { return found };
        if topic.id.is_some_and(|id| self.topics.is_odd(&id)) {
            found.push(Disagreement::Topic);
        }
        for (number, partition) in topic.partitions.iter().take(MOST_PARTITIONS) {
            let at = (topic.id, *number);
            found.extend(self.older(at, partition).map(|(named, newer)| Disagreement::OldLeader {
                partition: *number,
                named,
                newer,
            }));
            let isr = in_sync(partition);
            if self.in_sync.get(&at).is_some_and(|tally| tally.is_odd(&isr)) {
                found.push(Disagreement::InSync(*number, isr));
            }
        }
        found
    }

    /// The leader with its epoch, and the newest leader with its epoch, if half of the others or more name a newer epoch.
    fn older(&self, at: At, partition: &Partition) -> Option<(Leader, Leader)> {
        let epoch = partition.leader_epoch?;
        let epochs = self.epochs.get(&at)?;
        let newer = epochs.len() - epochs.partition_point(|(other, _)| *other <= Some(epoch));
        let (newest, leader) = epochs.last()?;
        let is_old = newer > 0 && 2 * newer >= epochs.len() - 1;
        is_old.then_some(((partition.leader, epoch), (*leader, newest.unwrap_or(epoch))))
    }
}

/// A partition of the topic with this id.
type At = (Option<TopicId>, i32);

/// The epoch that a broker names, and its leader.
type Named = (Option<i32>, Option<BrokerId>);

/// A leader and its epoch.
type Leader = (Option<BrokerId>, i32);

fn in_sync(partition: &Partition) -> BTreeSet<BrokerId> {
    partition.isr.iter().copied().collect()
}

/// How often each value was given.
struct Tally<T>(BTreeMap<T, usize>);

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Tally<T> {
    fn add(&mut self, value: T) {
        *self.0.entry(value).or_default() += 1;
    }

    /// Whether one broker alone gave this value, and all others agree on another one. Of two brokers, none is odd.
    fn is_odd(&self, value: &T) -> bool {
        let others: usize = self.0.values().sum::<usize>() - 1;
        self.0.len() == 2 && self.0.get(value) == Some(&1) && others > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(ids: &[i32]) -> BTreeSet<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    /// What a broker says of a topic with one partition: its leader, the epoch of the leader, and the in-sync replicas.
    fn view(asked: Instant, leader: i32, epoch: i32, isr: &[i32]) -> View {
        let partition = Partition {
            leader: Some(BrokerId(leader)),
            leader_epoch: Some(epoch),
            replicas: brokers(&[1, 2, 3]).into_iter().collect(),
            isr: brokers(isr).into_iter().collect(),
        };
        let topic = Topic { id: Some(TopicId(7)), partitions: BTreeMap::from([(0, partition)]) };
        View { asked, brokers: brokers(&[1, 2, 3]), topic: Some(topic), refused: None }
    }

    /// What is found after two rounds of answers that are two seconds apart.
    fn found(answers: impl Fn(Instant) -> [View; 3]) -> [Option<Disagreement>; 3] {
        let mut agreement = Agreement::default();
        let begun = Instant::now();
        for round in 0..2 {
            let at = begun + Duration::from_secs(2 * round);
            let views = answers(at);
            for (id, view) in (1..).zip(views) {
                agreement.add(BrokerId(id), Some(view));
            }
            let snapshot = agreement.compare(at);
            if round == 0 {
                assert!(
                    snapshot.values().all(Option::is_none),
                    "one difference may be a change: {snapshot:?}"
                );
            } else {
                return [1, 2, 3].map(|id| snapshot[&BrokerId(id)].clone());
            }
        }
        unreachable!()
    }

    #[test]
    fn brokers_with_the_same_metadata_agree() {
        assert_eq!(found(|at| [1, 2, 3].map(|_| view(at, 1, 5, &[1, 2, 3]))), [None, None, None]);
    }

    #[test]
    fn broker_with_the_leader_of_an_older_epoch_is_named_and_no_other_is() {
        let old = Disagreement::OldLeader {
            partition: 0,
            named: (Some(BrokerId(3)), 4),
            newer: (Some(BrokerId(1)), 6),
        };
        let stale = |at| [view(at, 1, 6, &[1, 2]), view(at, 1, 6, &[1, 2]), view(at, 3, 4, &[1, 2, 3])];
        assert_eq!(found(stale), [None, None, Some(old)]);
    }

    #[test]
    fn older_epoch_in_one_of_two_brokers_is_enough() {
        let mut agreement = Agreement::default();
        let begun = Instant::now();
        for at in [begun, begun + Duration::from_secs(1)] {
            agreement.add(BrokerId(1), Some(view(at, 1, 6, &[1])));
            agreement.add(BrokerId(2), Some(view(at, 2, 5, &[2])));
            agreement.compare(at);
        }
        let found = agreement.compare(begun);
        assert_eq!(found[&BrokerId(1)], None);
        assert!(matches!(found[&BrokerId(2)], Some(Disagreement::OldLeader { .. })), "{found:?}");
        agreement.add(BrokerId(1), None);
        assert_eq!(agreement.compare(begun), Snapshot::new(), "one broker alone cannot disagree");
    }

    #[test]
    fn difference_that_changes_from_one_answer_to_the_next_is_a_change_in_progress() {
        let mut agreement = Agreement::default();
        let begun = Instant::now();
        for round in 0..4u32 {
            let (at, epoch) = (begun + Duration::from_secs(round.into()), 5 + round as i32);
            agreement.add(BrokerId(1), Some(view(at, 1, epoch + 1, &[1])));
            agreement.add(BrokerId(2), Some(view(at, 2, epoch, &[1])));
            let found = agreement.compare(at);
            assert!(found.values().all(Option::is_none), "{found:?}");
        }
    }

    #[test]
    fn view_that_all_others_contradict_is_named() {
        let isr = |at| [view(at, 1, 5, &[1, 2]), view(at, 1, 5, &[1, 2]), view(at, 1, 5, &[1, 2, 3])];
        assert_eq!(found(isr)[2], Some(Disagreement::InSync(0, brokers(&[1, 2, 3]))));
        let other_topic = |at| {
            let mut odd = view(at, 1, 5, &[1]);
            odd.topic.as_mut().expect("a topic").id = Some(TopicId(8));
            [odd, view(at, 1, 9, &[1]), view(at, 1, 9, &[1])]
        };
        assert_eq!(found(other_topic), [Some(Disagreement::Topic), None, None]);
        let cluster = |at| {
            let mut odd = view(at, 1, 5, &[1]);
            odd.brokers = brokers(&[2]);
            [view(at, 1, 5, &[1]), odd, view(at, 1, 5, &[1])]
        };
        assert_eq!(found(cluster), [None, Some(Disagreement::Brokers(brokers(&[2]))), None]);
    }

    #[test]
    fn broker_that_refuses_to_lead_what_it_names_itself_the_leader_of_is_another_broker() {
        let swapped = |at| {
            let mut other = view(at, 1, 5, &[1, 2, 3]);
            other.refused = Some(0);
            [other, view(at, 1, 5, &[1, 2, 3]), view(at, 1, 5, &[1, 2, 3])]
        };
        assert_eq!(found(swapped), [Some(Disagreement::OtherBroker(0)), None, None]);
    }

    #[test]
    fn broker_that_was_not_asked_again_is_not_compared_and_keeps_its_result() {
        let mut agreement = Agreement::default();
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        agreement.add(BrokerId(1), Some(view(begun, 1, 5, &[1, 2, 3])));
        agreement.add(BrokerId(2), Some(view(begun, 1, 5, &[1, 2, 3])));
        agreement.add(BrokerId(3), Some(view(begun, 1, 5, &[1, 2, 3])));
        agreement.compare(begun);
        // The set of in-sync replicas has changed, and two brokers accept connections too late to be asked often.
        for round in 1..4 {
            let at = begun + round * second;
            agreement.add(BrokerId(3), Some(view(at, 1, 5, &[1, 2])));
            let found = agreement.compare(at);
            assert!(found.len() == 3 && found.values().all(Option::is_none), "{found:?}");
        }
    }

    #[test]
    fn broker_without_the_permission_to_describe_the_topic_agrees() {
        let hidden = |at| {
            let mut hidden = view(at, 1, 5, &[1]);
            hidden.topic = None;
            [hidden, view(at, 1, 5, &[1]), view(at, 1, 5, &[1])]
        };
        assert_eq!(found(hidden), [None, None, None]);
    }

    #[test]
    fn broker_that_left_the_metadata_is_asked_for_five_minutes() {
        let mut agreement = Agreement::default();
        let broker = |port| Broker { host: "b.example".to_owned(), port, rack: None };
        let both = BTreeMap::from([(BrokerId(1), broker(1)), (BrokerId(2), broker(2))]);
        let one = BTreeMap::from([(BrokerId(1), broker(1))]);
        let begun = Instant::now();
        assert_eq!(agreement.left(&both, begun), []);
        let later = begun + Duration::from_secs(299);
        assert_eq!(agreement.left(&one, later), [(BrokerId(2), broker(2))]);
        assert_eq!(agreement.left(&one, later + Duration::from_secs(1)), []);
    }
}
