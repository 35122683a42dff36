//! What is remembered of each group, and what is made of it after a cycle.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[cfg(feature = "fuzzing")]
use super::anomaly::{self, Baseline};
use super::{
    anomaly::{Kind, Rate},
    flow::Flow,
    moment::Moment,
    progress::{Verdict, Window},
    row::{BaselineRow, LifeRow},
    status::{Life, Look, Status},
};
use crate::{
    collect::{time_lag::TimeLag, topics},
    config,
    evaluate::{groups, lag::Lag},
    kafka::admin::GroupState,
};

/// Entry point for fuzzing: judges traffic by a baseline that was stored.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(bytes: Vec<u8>) {
    let baseline = Baseline::from_bytes(&bytes).expect("bytes of a baseline");
    let settings = config::Anomaly { score: 4.0, min_rate: 1.0 };
    let hours = u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let mut traffic = anomaly::Traffic::of(baseline);
    for minute in 0..200 {
        let at = hours * 3600 + minute * 60;
        traffic.add(Duration::from_secs(minute * 60), anomaly::hour(at).0, 1000);
        _ = traffic.judge(at, &settings);
    }
}

/// Who is missing once may be missed by accident.
const MISSES: u8 = 2;

/// What is made of one look.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// By group.
    pub groups: BTreeMap<Arc<str>, Group>,
    /// By topic, where it is known what is usual.
    pub rates: BTreeMap<Arc<str>, Rate>,
}

/// What is made of a group.
#[derive(Debug, Clone)]
pub struct Group {
    /// The worst of its partitions; absent while nothing is known of it.
    pub verdict: Option<Verdict>,
    /// Since when it has had that verdict.
    pub since: SystemTime,
    /// By topic.
    pub topics: BTreeMap<Arc<str>, Topic>,
    /// Kafka knows it no more.
    pub absent: bool,
}

/// What is made of a group on a topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Whether it is alive there.
    pub status: Status,
    /// Since when.
    pub since: SystemTime,
    /// When it was last seen to move on.
    pub advanced: Option<SystemTime>,
    /// Partitions on which it stands still with something to read.
    pub stuck: usize,
    /// Partitions that are not well.
    pub verdicts: BTreeMap<i32, Verdict>,
    /// Partitions of which it has committed something.
    pub partitions: usize,
    /// What a group that is gone has left to read: the partition with the oldest record, and how old that is.
    pub left: Option<(i32, TimeLag)>,
}

/// A status that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) group: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) from: Status,
    pub(crate) to: Status,
    /// Kafka does not list the group any more.
    pub(crate) gone: bool,
}

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(super) groups: BTreeMap<Arc<str>, Known>,
    pub(super) traffic: BTreeMap<Arc<str>, Flow>,
    /// To be forgotten in the file too.
    pub(super) gone: (Vec<LifeRow>, Vec<BaselineRow>),
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) verdict: Option<Verdict>,
    pub(super) since: Option<SystemTime>,
    /// Whether somebody was in it when Kafka last said so.
    pub(super) lives: Option<bool>,
    pub(super) topics: BTreeMap<Arc<str>, Read>,
    /// Whole listings in a row without it.
    pub(super) missing: u8,
}

/// A topic that a group reads.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) life: Life,
    pub(super) windows: BTreeMap<i32, Window>,
    /// What is not known now is as it was.
    pub(super) verdicts: BTreeMap<i32, Verdict>,
    /// Looks in a row without a commit.
    pub(super) missing: u8,
    /// It has another status since it was last saved, or is nearer to one.
    pub(super) turned: bool,
    /// Another sample of it was taken since.
    pub(super) moved: bool,
}

/// What a look saw.
pub(crate) struct Seen<'a> {
    pub(crate) groups: &'a BTreeMap<Arc<str>, groups::Group>,
    /// Every broker has listed its groups.
    pub(crate) listed: bool,
    pub(crate) topics: &'a BTreeMap<Arc<str>, topics::Topic>,
    /// How old the record of a topic and a partition at an offset is, as far as that is known without asking.
    pub(crate) age: &'a dyn Fn(&str, i32, i64) -> Option<TimeLag>,
    pub(crate) at: Moment,
}

/// What has changed with a look.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) statuses: Vec<Transition>,
    /// Topics whose traffic has become odd, or is not any more.
    pub(crate) traffic: Vec<(Arc<str>, Option<Kind>)>,
}

impl Judge {
    /// A topic is another one under the same name: offsets of the old one say nothing of it.
    pub(crate) fn forget(&mut self, topic: &str) {
        for read in self.groups.values_mut().filter_map(|known| known.topics.get_mut(topic)) {
            read.life.committed.clear();
            read.windows.clear();
            read.verdicts.clear();
        }
    }

    /// Judges a look.
    pub(crate) fn judge(&mut self, seen: &Seen<'_>, settings: &config::Cluster) -> (Judged, Changes) {
        let mut changes = Changes::default();
        for (name, group) in seen.groups {
            let known = self.groups.entry(name.clone()).or_default();
            known.missing = 0;
            if group.fault.is_none() {
                let gone = known.look(name, group, seen.at, &settings.history, &mut changes.statuses);
                self.gone.0.extend(gone.into_iter().map(|topic| (name.clone(), topic, None)));
            }
        }
        self.groups.retain(|name, known| {
            if seen.groups.contains_key(name) {
                return true;
            }
            // Only who could list them all can say that one is gone; who is left out goes at once.
            known.missing = known.missing.saturating_add(u8::from(seen.listed));
            let stays = settings.lag.watches(name)
                && (known.missing < MISSES
                    || known.gone(name, seen.at, &settings.history, &mut changes.statuses));
            if !stays {
                self.gone.0.extend(known.rows(name));
            }
            stays
        });
        self.forget_oldest(settings.history.absent_group_limit);
        let groups = self.groups.iter().map(|(name, known)| (name.clone(), known.view(seen.age))).collect();
        let rates = self.rates(seen, &settings.anomaly, &mut changes);
        (Judged { groups, rates }, changes)
    }
}

impl Known {
    /// Kafka does not list the group any more.
    pub(super) fn is_absent(&self) -> bool {
        self.missing >= MISSES
    }

    /// When its status last changed, on any topic.
    pub(super) fn since(&self) -> Option<Duration> {
        self.topics.values().map(|read| read.life.since.own).max()
    }

    /// What the file must forget together with the group.
    pub(super) fn rows(&self, name: &Arc<str>) -> impl Iterator<Item = LifeRow> {
        self.topics.keys().map(|topic| (name.clone(), topic.clone(), None))
    }

    fn look(
        &mut self,
        name: &Arc<str>,
        group: &groups::Group,
        at: Moment,
        settings: &config::History,
        statuses: &mut Vec<Transition>,
    ) -> Vec<Arc<str>> {
        self.lives = match group.state {
            GroupState::Empty | GroupState::Dead | GroupState::Missing => Some(false),
            // A listing that failed: it is as it was.
            GroupState::Unknown => self.lives,
            _ => Some(true),
        };
        // Where nobody ever says, somebody may be there.
        let lives = self.lives.unwrap_or(true);
        for (topic, lags) in &group.topics {
            let whole = !group.unread.contains_key(topic);
            let read = self.topics.entry(topic.clone()).or_insert_with(|| Read::begin(at));
            read.missing = 0;
            let (before, counted) = ((read.life.status, read.life.still), read.life.counted);
            let from = read.life.look(Look { lags, whole }, at, settings);
            read.turned |= before != (read.life.status, read.life.still);
            read.moved |= counted != read.life.counted;
            statuses.extend(read.transition(name, topic, from));
            for (number, lag) in lags {
                let window = read.windows.entry(*number).or_default();
                // What is not known now, or not yet, is what it was.
                let said = verdict(window, lag, at.own, lives, settings);
                let said = said.or_else(|| read.verdicts.get(number).copied()).unwrap_or_default();
                let before = read.verdicts.insert(*number, said).unwrap_or_default();
                read.turned |= before != said;
            }
            if whole {
                read.windows.retain(|number, _| lags.contains_key(number));
                read.verdicts.retain(|number, _| lags.contains_key(number));
            }
        }
        let mut gone = Vec::new();
        self.topics.retain(|topic, read| {
            if group.topics.contains_key(topic) || group.unread.contains_key(topic) {
                return true;
            }
            // The topic is gone, or what was committed has expired.
            read.missing = read.missing.saturating_add(1);
            if read.missing >= MISSES {
                gone.push(topic.clone());
            }
            read.missing < MISSES
        });
        let verdict = self.topics.values().flat_map(|read| read.verdicts.values()).max().copied();
        if verdict != self.verdict {
            self.since = Some(at.wall);
        }
        self.verdict = verdict;
        gone
    }

    /// Kafka does not list it any more. Returns whether it is still to be remembered.
    fn gone(
        &mut self,
        name: &Arc<str>,
        at: Moment,
        settings: &config::History,
        statuses: &mut Vec<Transition>,
    ) -> bool {
        let was_there = self.verdict.take().is_some();
        for (topic, read) in &mut self.topics {
            read.verdicts.clear();
            read.windows.clear();
            let from = read.life.gone(at);
            read.turned |= was_there || from.is_some();
            let transition = read.transition(name, topic, from);
            statuses.extend(transition.map(|transition| Transition { gone: true, ..transition }));
        }
        self.since().is_some_and(|last| at.own.saturating_sub(last) < settings.absent_group_retention)
    }

    fn view(&self, age: &dyn Fn(&str, i32, i64) -> Option<TimeLag>) -> Group {
        let topics = self.topics.iter().map(|(topic, read)| {
            let left = || {
                let commits = read.life.committed.iter();
                let ages = commits.filter_map(|(number, at)| Some((*number, age(topic, *number, *at)?)));
                ages.max_by_key(|(_, lag)| lag.age)
            };
            let left = (self.missing > 0).then(left).flatten();
            (topic.clone(), Topic { left, ..read.view() })
        });
        Group {
            verdict: self.verdict,
            since: self.since.unwrap_or(UNIX_EPOCH),
            topics: topics.collect(),
            absent: self.is_absent(),
        }
    }
}

impl Read {
    fn begin(at: Moment) -> Self {
        Self { life: Life::begin(at), ..Self::default() }
    }

    fn transition(&self, group: &Arc<str>, topic: &Arc<str>, from: Option<Status>) -> Option<Transition> {
        let (group, topic, to) = (group.clone(), topic.clone(), self.life.status);
        from.map(|from| Transition { group, topic, from, to, gone: false })
    }

    /// Partitions that are not well.
    pub(super) fn bad(&self) -> BTreeMap<i32, Verdict> {
        let bad = self.verdicts.iter().filter(|(_, verdict)| **verdict != Verdict::Ok);
        bad.map(|(number, verdict)| (*number, *verdict)).collect()
    }

    fn view(&self) -> Topic {
        let is_stuck = |verdict: &&Verdict| matches!(verdict, Verdict::Stall | Verdict::Stop);
        Topic {
            status: self.life.status,
            since: self.life.since.wall,
            advanced: self.life.advanced,
            stuck: self.verdicts.values().filter(is_stuck).count(),
            verdicts: self.bad(),
            partitions: self.life.committed.len(),
            left: None,
        }
    }
}

/// What is to be said of a partition; nothing, where it is not known, or not yet, how far it is from the end.
fn verdict(
    window: &mut Window,
    lag: &Lag,
    now: Duration,
    lives: bool,
    settings: &config::History,
) -> Option<Verdict> {
    if lag.beyond_end {
        return lag.reset.then_some(Verdict::Reset);
    }
    let said = window.look(now, (lag.committed, lag.unread()?), lives, settings);
    if lag.lost > Some(0) { Some(Verdict::Lost) } else { said }
}
