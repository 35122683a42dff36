//! What has happened to a cluster, moment by moment: for people who ask what changed before it broke.
//!
//! The list has a bounded length. Names in it are as strangers chose them: a reader that shows them has to escape them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use super::judge::{Changes, Kind, Status, Transition};
use crate::{
    collect::topology::{Change, Changed},
    kafka::fault::plain,
};

/// The newest so many are kept.
pub(crate) const MOST: usize = 1000;

/// If the same happened to more topics or brokers than these in one cycle, it is one event, and only the first are named.
const FEW: usize = 5;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it was seen.
    pub at: SystemTime,
    /// What, as one of a few words: `topic_created`, `group_offline`, `traffic_drop`, …
    pub kind: Cow<'static, str>,
    /// The topic, the broker, or the group and the topic that it happened to.
    pub subject: String,
    /// In a sentence fragment, without the subject.
    pub words: String,
}

/// Events, the oldest first.
pub type Events = Arc<VecDeque<Arc<Event>>>;

/// The last events.
#[derive(Debug, Default)]
pub(crate) struct Log {
    kept: Events,
    unsaved: Vec<Arc<Event>>,
}

impl Log {
    /// Goes on where an earlier run ended.
    pub(crate) fn remember(&mut self, events: Vec<Event>) {
        self.kept = Arc::new(events.into_iter().map(Arc::new).collect());
    }

    /// All of them.
    pub(crate) fn view(&self) -> Events {
        self.kept.clone()
    }

    /// Those that came since the last call.
    pub(crate) fn unsaved(&mut self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.unsaved)
    }

    /// All of it is to be saved, to a file that knows nothing.
    pub(crate) fn save_all(&mut self) {
        self.unsaved = self.kept.iter().cloned().collect();
    }

    /// They could not be saved: they will be told again.
    pub(crate) fn not_saved(&mut self, events: Vec<Arc<Event>>) {
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

    /// Brokers and topics have changed. Returns the lines of the log.
    pub(crate) fn topology(&mut self, at: SystemTime, cluster: &str, changes: Vec<Changed>) -> Vec<Line> {
        let happened =
            |Changed { change, subject, words }| (change.as_str(), Of::Cluster(change), subject, words);
        self.tell(at, cluster, changes.into_iter().map(happened))
    }

    /// The status of groups and the traffic of topics have changed. Returns the lines of the log.
    pub(crate) fn judged(&mut self, at: SystemTime, cluster: &str, changes: Changes) -> Vec<Line> {
        let status = |Transition { group, topic, from: _, to, gone }| {
            let (kind, words) = match to {
                Status::Offline if gone => ("group_offline", "is not known to Kafka any more"),
                Status::Online => ("group_online", "reads and keeps up"),
                Status::Offline => ("group_offline", "does not read what there is to read"),
                Status::Recovering => ("group_recovering", "reads again"),
            };
            (kind, Of::Groups, format!("{group} on {topic}"), words.into())
        };
        let traffic = |(topic, odd): (Arc<str>, Option<Kind>)| {
            let (kind, words) = match odd {
                Some(Kind::High) => ("traffic_high", "much more is written than is usual at this hour"),
                Some(Kind::Low) => ("traffic_low", "much less is written than is usual at this hour"),
                Some(Kind::Drop) => ("traffic_drop", "nothing is written any more"),
                None => ("traffic_usual", "as much is written as is usual at this hour"),
            };
            (kind, Of::Traffic, topic.to_string(), words.into())
        };
        let Changes { statuses, traffic: odd } = changes;
        self.tell(at, cluster, statuses.into_iter().map(status).chain(odd.into_iter().map(traffic)))
    }

    /// Notes what happened in one cycle: the one place that makes events and lines of the log of it. What happened to many
    /// topics or brokers at once is one event, so that it does not drive out earlier events: a broker that leaves takes
    /// many leaders along, and one program makes many topics. The log gets one line for each kind.
    fn tell(&mut self, at: SystemTime, cluster: &str, happened: impl Iterator<Item = Happened>) -> Vec<Line> {
        let mut kinds = BTreeMap::<&'static str, (Of, BTreeMap<String, Vec<Cow<'static, str>>>)>::new();
        for (kind, of, subject, words) in happened {
            let (_, subjects) = kinds.entry(kind).or_insert_with(|| (of, BTreeMap::new()));
            subjects.entry(subject).or_default().push(words);
        }
        let mut lines = Vec::new();
        for (kind, (of, subjects)) in kinds {
            let times = subjects.values().map(Vec::len).sum();
            let names = first(subjects.keys().map(String::as_str));
            let line = Line { kind, count: subjects.len(), times, names };
            of.log(cluster, &line);
            match of {
                Of::Cluster(change) if line.count > FEW => {
                    let what = if change.is_of_topic() { "topics" } else { "brokers" };
                    let words = format!("{}: {}", change.words(), line.names);
                    self.note(at, kind, format!("{} {what}", line.count), words);
                }
                _ => subjects
                    .into_iter()
                    .for_each(|(subject, words)| self.note(at, kind, subject, together(&words))),
            }
            lines.push(line);
        }
        lines
    }
}

/// What happened: its kind, what it is of, its subject, and in words.
type Happened = (&'static str, Of, String, Cow<'static, str>);

/// What an event is of.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// Topics or brokers, which have changed in this way.
    Cluster(Change),
    /// Groups, which have another status.
    Groups,
    /// Topics, whose traffic has changed.
    Traffic,
}

impl Of {
    fn log(self, cluster: &str, line: &Line) {
        let Line { kind: change, count, times, names } = line;
        match self {
            Of::Cluster(_) => tracing::info!(cluster, change, count, times, names, "the cluster has changed"),
            Of::Groups => {
                tracing::info!(cluster, change, count, names, "the status of consumer groups has changed")
            }
            Of::Traffic => tracing::info!(cluster, change, count, names, "the traffic of topics has changed"),
        }
    }
}

/// One line of the log: what changed in the same way in one cycle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    kind: &'static str,
    /// How many topics, brokers or groups changed.
    count: usize,
    /// How many changes there were: a topic may have moved leaders on several partitions.
    times: usize,
    /// The names of the first few of them.
    names: String,
}

/// What happened to one subject several times at once: the first few of it, and how many partitions it happened to.
fn together(words: &[Cow<'static, str>]) -> String {
    let all: Vec<&str> = words.iter().map(|words| &**words).collect();
    match all.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, others @ ..] if others.iter().all(|other| other == one) => {
            format!("{one}, {} partitions", all.len())
        }
        [..] if all.len() > FEW => format!("{}; {} partitions in all", all[..FEW].join("; "), all.len()),
        [..] => all.join("; "),
    }
}

/// The first few names, fit for a line of a log.
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

    #[test]
    fn event_of_moved_leaders_names_the_first_partitions_and_their_brokers() {
        let mut log = Log::default();
        let moved = |partitions: i32| {
            let words = |n| format!("partition {n} is led by broker 2 instead of broker 1").into();
            let change =
                |n| Changed { change: Change::LeaderMoved, subject: "t".to_owned(), words: words(n) };
            (0..partitions).map(change).collect::<Vec<_>>()
        };
        for partitions in [1, 2, 30] {
            log.topology(UNIX_EPOCH, "k", moved(partitions));
        }
        let told: Vec<_> = log.view().iter().map(|event| event.words.clone()).collect();
        let of = |n: i32| format!("partition {n} is led by broker 2 instead of broker 1");
        let many = [0, 1, 2, 3, 4].map(of).join("; ");
        assert_eq!(told, [of(0), format!("{}; {}", of(0), of(1)), format!("{many}; 30 partitions in all")]);
    }

    #[test]
    fn events_of_one_cycle_and_kind_are_one_line_of_the_log() {
        let mut log = Log::default();
        let created = |n: usize| Changed::from((Change::TopicCreated, format!("new\n{n}")));
        let gone = |n: usize| Changed::from((Change::TopicDeleted, format!("old{n}")));
        let line = |kind, count, names: &str| Line { kind, count, times: count, names: names.to_owned() };
        let lines = log.topology(UNIX_EPOCH, "k", (0..3).map(created).chain((0..900).map(gone)).collect());
        let some = r"new\n0, new\n1, new\n2";
        let many = "old0, old1, old10, old100, old101 and others";
        assert_eq!(lines, [line("topic_created", 3, some), line("topic_deleted", 900, many)]);
        let status = |n: usize| Transition {
            group: format!("g{n}").into(),
            topic: "t".into(),
            from: Status::Online,
            to: Status::Offline,
            gone: n.is_multiple_of(2),
        };
        let traffic = (0..40).map(|n| (Arc::from(format!("t{n}")), Some(Kind::Drop))).collect();
        let changes = Changes { statuses: (0..50).map(status).collect(), traffic };
        let lines = log.judged(UNIX_EPOCH, "k", changes);
        let groups = "g0 on t, g1 on t, g10 on t, g11 on t, g12 on t and others";
        let topics = "t0, t1, t10, t11, t12 and others";
        assert_eq!(lines, [line("group_offline", 50, groups), line("traffic_drop", 40, topics)]);
        let told = log.view();
        assert_eq!(told.len(), 3 + 1 + 50 + 40, "each has its event, but for hundreds of one kind");
    }
}
