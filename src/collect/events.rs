//! What has happened to a cluster, moment by moment: for people who ask what changed before it broke.
//!
//! Of bounded length, with names as strangers chose them: who shows them, escapes them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use super::{
    judge::{Changes, Kind, Status, Transition},
    topology::{Change, Changed},
};
use crate::kafka::fault::plain;

/// The newest so many are kept.
pub(super) const MOST: usize = 1000;

/// So many to whom the same happened at once are named one by one.
const FEW: usize = 5;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it was seen.
    pub at: SystemTime,
    /// What, as one of a few words: `topic_created`, `group_offline`, `traffic_drop`, …
    pub kind: Cow<'static, str>,
    /// To whom: a topic, a broker, or a group and a topic.
    pub subject: String,
    /// In a sentence fragment, without the subject.
    pub words: String,
}

/// Events, the oldest first.
pub type Events = Arc<VecDeque<Arc<Event>>>;

/// The last events.
#[derive(Debug, Default)]
pub(super) struct Log {
    kept: Events,
    unsaved: Vec<Arc<Event>>,
}

impl Log {
    /// Goes on where an earlier run ended.
    pub(super) fn remember(&mut self, events: Vec<Event>) {
        self.kept = Arc::new(events.into_iter().map(Arc::new).collect());
    }

    /// All of them.
    pub(super) fn view(&self) -> Events {
        self.kept.clone()
    }

    /// Those that came since the last call.
    pub(super) fn unsaved(&mut self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.unsaved)
    }

    /// All of it is to be saved, to a file that knows nothing.
    pub(super) fn save_all(&mut self) {
        self.unsaved = self.kept.iter().cloned().collect();
    }

    /// They could not be saved: they will be told again.
    pub(super) fn not_saved(&mut self, events: Vec<Arc<Event>>) {
        let later = std::mem::replace(&mut self.unsaved, events);
        self.unsaved.extend(later);
        self.unsaved.drain(..self.unsaved.len().saturating_sub(MOST));
    }

    fn note(&mut self, at: SystemTime, kind: &'static str, subject: String, words: String) {
        let event = Arc::new(Event { at, kind: kind.into(), subject, words });
        let kept = Arc::make_mut(&mut self.kept);
        kept.push_back(event.clone());
        while kept.len() > MOST {
            kept.pop_front();
        }
        self.unsaved.push(event);
        self.unsaved.drain(..self.unsaved.len().saturating_sub(MOST));
    }

    /// Brokers and topics are not what they were. What happened to many at once is one event, so that it does not
    /// drive out what came before: a broker that goes takes many leaders along, and one program makes many topics.
    pub(super) fn topology(&mut self, at: SystemTime, cluster: &str, changes: Vec<Changed>) {
        let mut kinds = BTreeMap::<Change, BTreeMap<String, (Cow<'static, str>, usize)>>::new();
        for Changed { change, subject, words } in changes {
            kinds.entry(change).or_default().entry(subject).or_insert((words, 0)).1 += 1;
        }
        for (change, subjects) in kinds {
            let (kind, count) = (change.as_str(), subjects.len());
            let times: usize = subjects.values().map(|(_, times)| times).sum();
            if count > FEW {
                tracing::info!(cluster, change = kind, count, times, "the cluster has changed");
                let first: Vec<&str> = subjects.keys().take(FEW).map(String::as_str).collect();
                let what = if change.is_of_topic() { "topics" } else { "brokers" };
                let words = format!("{}: {} and others", change.words(), first.join(", "));
                self.note(at, kind, format!("{count} {what}"), words);
                continue;
            }
            for (what, (words, times)) in subjects {
                tracing::info!(cluster, change = kind, what = plain(&what), times, "the cluster has changed");
                let words =
                    if times > 1 { format!("{words}, {times} partitions") } else { words.into_owned() };
                self.note(at, kind, what, words);
            }
        }
    }

    /// Groups and traffic are not what they were.
    pub(super) fn judged(&mut self, at: SystemTime, cluster: &str, changes: Changes) {
        for Transition { group, topic, from, to, gone } in changes.statuses {
            let (kind, words) = match to {
                Status::Offline if gone => ("group_offline", "is not known to Kafka any more"),
                Status::Online => ("group_online", "reads and keeps up"),
                Status::Offline => ("group_offline", "does not read what there is to read"),
                Status::Recovering => ("group_recovering", "reads again"),
            };
            let (from, to) = (from.as_str(), to.as_str());
            tracing::info!(
                cluster,
                group = plain(&group),
                topic = plain(&topic),
                from,
                to,
                "a group's status"
            );
            self.note(at, kind, format!("{group} on {topic}"), words.to_owned());
        }
        for (topic, odd) in changes.traffic {
            let (kind, words) = match odd {
                Some(Kind::High) => ("traffic_high", "much more is written than is usual at this hour"),
                Some(Kind::Low) => ("traffic_low", "much less is written than is usual at this hour"),
                Some(Kind::Drop) => ("traffic_drop", "nothing is written any more"),
                None => ("traffic_usual", "as much is written as is usual at this hour"),
            };
            tracing::info!(cluster, topic = plain(&topic), kind, "a topic's traffic");
            self.note(at, kind, topic.to_string(), words.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_newest_are_kept_and_each_is_saved_once_or_again() {
        let mut log = Log::default();
        let at = |second: usize| UNIX_EPOCH + Duration::from_secs(second as u64);
        for number in 0..MOST + 5 {
            log.topology(at(number), "k", vec![(Change::TopicCreated, format!("t{number}")).into()]);
        }
        let kept = log.view();
        assert_eq!((kept.len(), &*kept[0].subject, kept[0].at), (MOST, "t5", at(5)));
        let told = log.unsaved();
        assert_eq!((told.len(), log.unsaved().len()), (MOST, 0));
        log.topology(at(9999), "k", vec![(Change::BrokerLeft, "3".to_owned()).into()]);
        log.not_saved(told);
        let again = log.unsaved();
        assert_eq!((again.len(), &*again[0].subject), (MOST, "t6"));
        assert_eq!(again[MOST - 1].words, "a broker that has gone");
        let moved = |topics: usize| {
            (0..3 * topics).map(move |n| (Change::LeaderMoved, format!("t{}", n % topics)).into())
        };
        log.topology(at(0), "k", moved(2).chain(moved(2)).collect());
        log.topology(at(0), "k", moved(900).collect());
        let told: Vec<_> =
            log.unsaved().iter().map(|event| (event.subject.clone(), event.words.clone())).collect();
        let words = "a leader that moved";
        let few = ["t0", "t1"].map(|topic| (topic.to_owned(), format!("{words}, 6 partitions")));
        let many = ("900 topics".to_owned(), format!("{words}: t0, t1, t10, t100, t101 and others"));
        assert_eq!(told, [few.to_vec(), vec![many]].concat());
    }
}
