//! The events of a cluster, for people who ask what changed before an incident.
//!
//! The list has a bounded length. The names of topics and groups in it are not escaped: code that shows an event has to
//! escape them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use super::{
    judge::{Changes, Kind, Status, Transition},
    rebalances::Endless,
};
use crate::{
    collect::topology::{Change, Changed},
    text::{plain, two_units},
};

/// Number of events that are kept: the newest.
pub(crate) const MOST: usize = 1000;

/// If more topics or brokers than this changed in the same way in one cycle, the changes are one event, which names only the
/// first of them.
const FEW: usize = 5;

/// A change of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When the change was seen.
    pub at: SystemTime,
    /// The kind of the change, as one of a few words: `topic_created`, `group_offline`, `traffic_drop`, …
    pub kind: Cow<'static, str>,
    /// The topic, the broker, or the group and the topic that changed.
    pub subject: String,
    /// Whole sentences that name the subject. An event that an earlier version saved has a fragment without the subject.
    pub words: String,
}

impl Event {
    /// The event for people, in whole sentences. For an event that an earlier version saved: the subject and a fragment.
    pub fn text(&self) -> Cow<'_, str> {
        if self.words.ends_with('.') {
            Cow::Borrowed(&self.words)
        } else {
            Cow::Owned(format!("{}: {}", self.subject, self.words))
        }
    }
}

/// Events, the oldest first.
pub type Events = Arc<VecDeque<Arc<Event>>>;

/// The last events of a cluster, and those of them that are not saved yet.
#[derive(Debug, Default)]
pub(crate) struct Log {
    kept: Events,
    unsaved: Vec<Arc<Event>>,
}

impl Log {
    /// Loads the events that an earlier run saved.
    pub(crate) fn remember(&mut self, events: Vec<Event>) {
        self.kept = Arc::new(events.into_iter().map(Arc::new).collect());
    }

    /// All events that are kept.
    pub(crate) fn view(&self) -> Events {
        self.kept.clone()
    }

    /// The events since the last call.
    pub(crate) fn unsaved(&mut self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.unsaved)
    }

    /// Marks all events as not saved, so that they are saved to a new history file.
    pub(crate) fn save_all(&mut self) {
        self.unsaved = self.kept.iter().cloned().collect();
    }

    /// Takes back events that could not be saved: the next call of [`Log::unsaved`] returns them again.
    pub(crate) fn not_saved(&mut self, events: Vec<Arc<Event>>) {
        let later = std::mem::replace(&mut self.unsaved, events);
        self.unsaved.extend(later);
        self.unsaved.drain(..self.unsaved.len().saturating_sub(MOST));
    }

    /// Adds an event.
    fn note(&mut self, at: SystemTime, kind: &'static str, subject: String, words: String) {
        self.add(Arc::new(Event { at, kind: kind.into(), subject, words }));
    }

    /// Adds an event that another task found, and forgets the oldest one if there are too many.
    pub(crate) fn add(&mut self, event: Arc<Event>) {
        let kept = Arc::make_mut(&mut self.kept);
        kept.push_back(event.clone());
        while kept.len() > MOST {
            kept.pop_front();
        }
        self.unsaved.push(event);
        self.unsaved.drain(..self.unsaved.len().saturating_sub(MOST));
    }

    /// Adds changes of brokers and topics. Returns the lines that were logged.
    pub(crate) fn topology(&mut self, at: SystemTime, cluster: &str, changes: Vec<Changed>) -> Vec<Line> {
        let happened = |Changed { change, subject, sentence }| Happening {
            kind: change.as_str(),
            area: Area::Cluster(change),
            subject,
            sentence,
        };
        self.record(at, cluster, changes.into_iter().map(happened))
    }

    /// Adds changes of the status of groups and of the traffic of topics. Returns the lines that were logged.
    pub(crate) fn judged(&mut self, at: SystemTime, cluster: &str, changes: Changes) -> Vec<Line> {
        let status = |Transition { group, topic, from: _, to, deleted }| {
            let subject = format!("{group} on {topic}");
            let group = format!("Consumer group {group} of topic {topic}");
            let (kind, sentence) = match to {
                Status::Offline if deleted => ("group_offline", format!("{group} no longer exists.")),
                Status::Online => ("group_online", format!("{group} keeps up.")),
                Status::Offline => {
                    ("group_offline", format!("{group} commits nothing although records are waiting."))
                }
                Status::Recovering => ("group_recovering", format!("{group} commits offsets again.")),
            };
            Happening { kind, area: Area::Groups, subject, sentence }
        };
        let traffic = |(topic, odd): (Arc<str>, Option<Kind>)| {
            let (kind, sentence) = match odd {
                Some(Kind::High) => {
                    ("traffic_high", format!("Far more is written to topic {topic} than usual at this hour."))
                }
                Some(Kind::Low) => {
                    ("traffic_low", format!("Far less is written to topic {topic} than usual at this hour."))
                }
                Some(Kind::Drop) => (
                    "traffic_drop",
                    format!("Nothing is written to topic {topic}, which is unusual at this hour."),
                ),
                None => {
                    ("traffic_usual", format!("The traffic of topic {topic} is usual for this hour again."))
                }
            };
            Happening { kind, area: Area::Traffic, subject: topic.to_string(), sentence }
        };
        let Changes { statuses, traffic: odd } = changes;
        self.record(at, cluster, statuses.into_iter().map(status).chain(odd.into_iter().map(traffic)))
    }

    /// Adds groups that began or ceased to rebalance without end. Returns the lines that were logged.
    pub(crate) fn rebalances(&mut self, at: SystemTime, cluster: &str, changes: Vec<Endless>) -> Vec<Line> {
        let happened = changes.into_iter().map(|Endless { group, lasting }| {
            let (kind, sentence) = match lasting {
                Some(lasting) => (
                    "group_rebalancing",
                    format!("Consumer group {group} has been rebalancing for {}.", two_units(lasting)),
                ),
                None => ("group_rebalanced", format!("Consumer group {group} does not rebalance any more.")),
            };
            Happening { kind, area: Area::Groups, subject: group.to_string(), sentence }
        });
        self.record(at, cluster, happened)
    }

    /// Makes the events and the log lines of one cycle; no other function does. Changes of many topics or brokers at once are
    /// one event, so that they do not push out earlier events: when a broker leaves, many leaders move, and one program may
    /// create many topics. Each kind of change gets one log line.
    fn record(
        &mut self,
        at: SystemTime,
        cluster: &str,
        happened: impl Iterator<Item = Happening>,
    ) -> Vec<Line> {
        let mut kinds = BTreeMap::<&'static str, (Area, BTreeMap<String, Vec<String>>)>::new();
        for Happening { kind, area, subject, sentence } in happened {
            let (_, subjects) = kinds.entry(kind).or_insert_with(|| (area, BTreeMap::new()));
            subjects.entry(subject).or_default().push(sentence);
        }
        let mut lines = Vec::new();
        for (kind, (area, subjects)) in kinds {
            let times = subjects.values().map(Vec::len).sum();
            let names = first(subjects.keys().map(String::as_str));
            let line = Line { kind, count: subjects.len(), times, names };
            area.log(cluster, &line);
            match area {
                Area::Cluster(change) if line.count > FEW => {
                    let what = if change.is_of_topic() { "topics" } else { "brokers" };
                    let sentence = change.of_many(line.count, &line.names);
                    self.note(at, kind, format!("{} {what}", line.count), sentence);
                }
                _ => subjects
                    .into_iter()
                    .for_each(|(subject, sentences)| self.note(at, kind, subject, together(sentences))),
            }
            lines.push(line);
        }
        lines
    }
}

/// One change, before changes of the same kind become one event.
struct Happening {
    /// The kind of the event.
    kind: &'static str,
    area: Area,
    /// The topic, the broker, or the group and the topic that changed.
    subject: String,
    /// A whole sentence for people.
    sentence: String,
}

/// The part of a cluster that an event concerns.
#[derive(Debug, Clone, Copy)]
enum Area {
    /// Topics or brokers, which changed in this way.
    Cluster(Change),
    /// Groups, whose status changed.
    Groups,
    /// Topics, whose traffic changed.
    Traffic,
}

impl Area {
    /// Logs one line.
    fn log(self, cluster: &str, line: &Line) {
        let Line { kind: change, count, times, names } = line;
        match self {
            Area::Cluster(_) => {
                tracing::info!(cluster, change, count, times, names, "the cluster has changed")
            }
            Area::Groups => {
                tracing::info!(cluster, change, count, names, "the status of consumer groups has changed")
            }
            Area::Traffic => {
                tracing::info!(cluster, change, count, names, "the traffic of topics has changed")
            }
        }
    }
}

/// One log line: the changes of the same kind in one cycle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    kind: &'static str,
    /// Number of topics, brokers or groups that changed.
    count: usize,
    /// Number of changes: leaders may have moved on several partitions of a topic.
    times: usize,
    /// The first few names, joined by commas.
    names: String,
}

/// The text of one subject's event: the first few sentences, and the number of changes if sentences are left out.
fn together(mut sentences: Vec<String>) -> String {
    let count = sentences.len();
    sentences.dedup();
    let changes = format!(" {count} partitions changed in all.");
    let rest = if sentences.len() > FEW || sentences.len() < count { &*changes } else { "" };
    format!("{}{rest}", sentences[..sentences.len().min(FEW)].join(" "))
}

/// The first few names, escaped for a log line.
fn first<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let few: Vec<_> = names.by_ref().take(FEW).map(|name| plain(name).to_string()).collect();
    let others = if names.next().is_some() { " and others" } else { "" };
    format!("{}{others}", few.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn log_keeps_the_newest_events_and_saves_each_until_it_succeeds() {
        let mut log = Log::default();
        let at = |second: usize| UNIX_EPOCH + Duration::from_secs(second as u64);
        for number in 0..MOST + 5 {
            log.topology(at(number), "k", vec![(Change::TopicCreated, format!("t{number}")).into()]);
        }
        let kept = log.view();
        assert_eq!((kept.len(), &*kept[0].subject, kept[0].at), (MOST, "t5", at(5)));
        let unsaved = log.unsaved();
        assert_eq!((unsaved.len(), log.unsaved().len()), (MOST, 0));
        log.topology(at(9999), "k", vec![(Change::BrokerLeft, "3".to_owned()).into()]);
        log.not_saved(unsaved);
        let again = log.unsaved();
        assert_eq!((again.len(), &*again[0].subject), (MOST, "t6"));
        assert_eq!(again[MOST - 1].words, "Broker 3 left the cluster.");
        let moved = |topics: usize| {
            (0..3 * topics).map(move |n| (Change::LeaderMoved, format!("t{}", n % topics)).into())
        };
        log.topology(at(0), "k", moved(2).chain(moved(2)).collect());
        log.topology(at(0), "k", moved(900).collect());
        let texts: Vec<_> =
            log.unsaved().iter().map(|event| (event.subject.clone(), event.words.clone())).collect();
        let few = ["t0", "t1"].map(|topic| {
            let sentence = format!("The leader of a partition of topic {topic} changed.");
            (topic.to_owned(), format!("{sentence} 6 partitions changed in all."))
        });
        let many = "The leaders of partitions of 900 topics changed: t0, t1, t10, t100, t101 and others.";
        let many = ("900 topics".to_owned(), many.to_owned());
        assert_eq!(texts, [few.to_vec(), vec![many]].concat());
    }

    #[test]
    fn event_of_moved_leaders_names_the_first_partitions_and_their_brokers() {
        let mut log = Log::default();
        let moved = |partitions: i32| {
            let sentence = |n| format!("Broker 2 leads partition {n} of topic t instead of broker 1.");
            let change =
                |n| Changed { change: Change::LeaderMoved, subject: "t".to_owned(), sentence: sentence(n) };
            (0..partitions).map(change).collect::<Vec<_>>()
        };
        for partitions in [1, 2, 30] {
            log.topology(UNIX_EPOCH, "k", moved(partitions));
        }
        let texts: Vec<_> = log.view().iter().map(|event| event.words.clone()).collect();
        let of = |n: i32| format!("Broker 2 leads partition {n} of topic t instead of broker 1.");
        let many = [0, 1, 2, 3, 4].map(of).join(" ");
        let expected =
            [of(0), format!("{} {}", of(0), of(1)), format!("{many} 30 partitions changed in all.")];
        assert_eq!(texts, expected);
    }

    #[test]
    fn event_of_an_earlier_version_is_shown_with_its_subject() {
        let event = |subject: &str, words: &str| Event {
            at: UNIX_EPOCH,
            kind: "broker_left".into(),
            subject: subject.to_owned(),
            words: words.to_owned(),
        };
        assert_eq!(event("3", "Broker 3 left the cluster.").text(), "Broker 3 left the cluster.");
        assert_eq!(event("3", "a broker that has gone").text(), "3: a broker that has gone");
    }

    #[test]
    fn events_of_one_cycle_and_kind_are_one_line_of_the_log() {
        let mut log = Log::default();
        let created = |n: usize| Changed::from((Change::TopicCreated, format!("new\n{n}")));
        let deleted = |n: usize| Changed::from((Change::TopicDeleted, format!("old{n}")));
        let line = |kind, count, names: &str| Line { kind, count, times: count, names: names.to_owned() };
        let lines = log.topology(UNIX_EPOCH, "k", (0..3).map(created).chain((0..900).map(deleted)).collect());
        let some = r"new\n0, new\n1, new\n2";
        let many = "old0, old1, old10, old100, old101 and others";
        assert_eq!(lines, [line("topic_created", 3, some), line("topic_deleted", 900, many)]);
        let status = |n: usize| Transition {
            group: format!("g{n}").into(),
            topic: "t".into(),
            from: Status::Online,
            to: Status::Offline,
            deleted: n.is_multiple_of(2),
        };
        let traffic = (0..40).map(|n| (Arc::from(format!("t{n}")), Some(Kind::Drop))).collect();
        let changes = Changes { statuses: (0..50).map(status).collect(), traffic };
        let lines = log.judged(UNIX_EPOCH, "k", changes);
        let groups = "g0 on t, g1 on t, g10 on t, g11 on t, g12 on t and others";
        let topics = "t0, t1, t10, t11, t12 and others";
        assert_eq!(lines, [line("group_offline", 50, groups), line("traffic_drop", 40, topics)]);
        let kept = log.view();
        assert_eq!(kept.len(), 3 + 1 + 50 + 40, "each change has its own event, except hundreds of one kind");
    }
}
