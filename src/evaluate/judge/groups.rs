//! The memory of each group between cycles, and the judgement on it after a cycle.

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
    progress::{Progress, Window},
    row::{BaselineRow, LifeRow},
    status::{LagSample, Life, Status},
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

/// A group or a topic counts as deleted when it is missing from this many complete listings in a row. It may be missing from
/// one listing by accident.
const MISSES: u8 = 2;

/// The judgement on a cluster after a cycle.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// The judgement on each group.
    pub groups: BTreeMap<Arc<str>, GroupJudgement>,
    /// The traffic of each topic whose usual traffic is known.
    pub rates: BTreeMap<Arc<str>, Rate>,
}

/// The judgement on a group.
#[derive(Debug, Clone)]
pub struct GroupJudgement {
    /// The worst verdict of all partitions. Absent while no partition has a verdict, and for a deleted group.
    pub verdict: Option<Progress>,
    /// When the group reached that verdict.
    pub since: SystemTime,
    /// The judgement on the group for each of its topics.
    pub topics: BTreeMap<Arc<str>, TopicJudgement>,
    /// Whether the group is deleted: Kafka does not list it any more.
    pub absent: bool,
}

/// The judgement on a group on a topic.
#[derive(Debug, Clone)]
pub struct TopicJudgement {
    /// Whether the group commits offsets on the topic.
    pub status: Status,
    /// When the group reached that status.
    pub since: SystemTime,
    /// When a committed offset was last seen to move forward. Absent if none ever was.
    pub advanced: Option<SystemTime>,
    /// Number of partitions whose committed offset stands still although records are waiting.
    pub stuck: usize,
    /// The verdict of each partition whose verdict is not `ok`.
    pub verdicts: BTreeMap<i32, Progress>,
    /// Number of partitions with a committed offset.
    pub partitions: usize,
    /// The oldest record that a missing group has left unread: its partition, and its time lag. Absent for a group that is not
    /// missing, and if no record is known to be unread.
    pub left: Option<(i32, TimeLag)>,
}

/// A change of the status of a group on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) group: Arc<str>,
    pub(crate) topic: Arc<str>,
    /// The status before.
    pub(crate) from: Status,
    /// The status now.
    pub(crate) to: Status,
    /// Whether the group is deleted: Kafka does not list it any more.
    pub(crate) deleted: bool,
}

/// The memory of all groups and topics of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(super) groups: BTreeMap<Arc<str>, GroupMemory>,
    pub(super) traffic: BTreeMap<Arc<str>, Flow>,
    /// Rows that are to be deleted from the history file.
    pub(super) forgotten: Forgotten,
}

/// Rows that are to be deleted from the history file.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    /// Deleted groups and topics of groups.
    pub(super) lives: Vec<LifeRow>,
    /// Deleted topics.
    pub(super) baselines: Vec<BaselineRow>,
}

/// The memory of a group between cycles.
#[derive(Debug, Default)]
pub(super) struct GroupMemory {
    /// The worst verdict of all partitions. `None` for a deleted group.
    pub(super) verdict: Option<Progress>,
    /// When the group reached that verdict.
    pub(super) since: Option<SystemTime>,
    /// Whether the group had members in the last cycle in which its state was known.
    pub(super) lives: Option<bool>,
    /// The progress of the group on each topic.
    pub(super) topics: BTreeMap<Arc<str>, TopicProgress>,
    /// Number of complete listings in a row from which the group was missing.
    pub(super) missing: u8,
}

/// The progress of a group on a topic.
#[derive(Debug, Default)]
pub(super) struct TopicProgress {
    pub(super) life: Life,
    /// The last samples of each partition.
    pub(super) windows: BTreeMap<i32, Window>,
    /// The verdict of each partition. A verdict that is not known in a cycle stays as it was.
    pub(super) verdicts: BTreeMap<i32, Progress>,
    /// Number of cycles in a row without a committed offset on the topic.
    pub(super) missing: u8,
    /// Whether the next write to the history file includes this row.
    pub(super) unsaved: bool,
    /// Whether another sample was taken since the last save.
    pub(super) moved: bool,
}

/// The view that a cycle has of the cluster.
pub(crate) struct CycleView<'a> {
    /// The groups that were found, with their lag.
    pub(crate) groups: &'a BTreeMap<Arc<str>, groups::Group>,
    /// Whether every broker listed its groups.
    pub(crate) listed: bool,
    /// The topics whose log end offsets were read.
    pub(crate) topics: &'a BTreeMap<Arc<str>, topics::Topic>,
    /// The time lag of the record of a topic and a partition at an offset. `None` if it cannot be computed without a request.
    pub(crate) age: &'a dyn Fn(&str, i32, i64) -> Option<TimeLag>,
    /// When the cycle took place.
    pub(crate) at: Moment,
}

/// The changes of one cycle.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Changes of the status of a group on a topic.
    pub(crate) statuses: Vec<Transition>,
    /// Topics whose traffic became unusual in some way, or (`None`) usual again.
    pub(crate) traffic: Vec<(Arc<str>, Option<Kind>)>,
}

impl Judge {
    /// Forgets the offsets of a topic that was recreated under the same name: they say nothing about the new topic.
    pub(crate) fn forget(&mut self, topic: &str) {
        for progress in self.groups.values_mut().filter_map(|memory| memory.topics.get_mut(topic)) {
            progress.life.committed.clear();
            progress.windows.clear();
            progress.verdicts.clear();
        }
    }

    /// Judges the view of a cycle. Returns the judgement, and what it changed.
    pub(crate) fn judge(
        &mut self,
        cycle: &CycleView<'_>,
        settings: &config::Cluster,
    ) -> (Judgement, Changes) {
        let mut changes = Changes::default();
        for (name, group) in cycle.groups {
            let memory = self.groups.entry(name.clone()).or_default();
            memory.missing = 0;
            if group.fault.is_none() {
                let expired = memory.observe(name, group, cycle.at, &settings.history, &mut changes.statuses);
                self.forgotten.lives.extend(expired.iter().map(|topic| LifeRow::deleted(name, topic)));
            }
        }
        self.groups.retain(|name, memory| {
            if cycle.groups.contains_key(name) {
                return true;
            }
            // A missing group counts as missing only in a complete listing. A group that the settings exclude is forgotten at once.
            memory.missing = memory.missing.saturating_add(u8::from(cycle.listed));
            let stays = settings.lag.watches(name)
                && (memory.missing < MISSES
                    || memory.delete(name, cycle.at, &settings.history, &mut changes.statuses));
            if !stays {
                self.forgotten.lives.extend(memory.rows(name));
            }
            stays
        });
        self.forget_oldest(settings.history.absent_group_limit);
        let groups =
            self.groups.iter().map(|(name, memory)| (name.clone(), memory.view(cycle.age))).collect();
        let rates = self.rates(cycle, &settings.anomaly, &mut changes);
        (Judgement { groups, rates }, changes)
    }
}

impl GroupMemory {
    /// Whether the group is deleted: Kafka does not list it any more.
    pub(super) fn is_absent(&self) -> bool {
        self.missing >= MISSES
    }

    /// When the status of the group last changed on any topic, on the monotonic clock. `None` without a topic.
    pub(super) fn since(&self) -> Option<Duration> {
        self.topics.values().map(|progress| progress.life.since.own).max()
    }

    /// The rows that must be deleted from the history file together with the group.
    pub(super) fn rows(&self, name: &Arc<str>) -> impl Iterator<Item = LifeRow> {
        self.topics.keys().map(|topic| LifeRow::deleted(name, topic))
    }

    /// Adds the lag of the group in this cycle. Returns the topics that have no committed offset any more.
    fn observe(
        &mut self,
        name: &Arc<str>,
        group: &groups::Group,
        at: Moment,
        settings: &config::History,
        statuses: &mut Vec<Transition>,
    ) -> Vec<Arc<str>> {
        self.lives = match group.state {
            GroupState::Empty | GroupState::Dead | GroupState::Missing => Some(false),
            // The listing failed: the answer of the last complete cycle stays.
            GroupState::Unknown => self.lives,
            _ => Some(true),
        };
        // A group whose state was never known may have members.
        let lives = self.lives.unwrap_or(true);
        for (topic, lags) in &group.topics {
            let whole = !group.unread.contains_key(topic);
            let progress = self.topics.entry(topic.clone()).or_insert_with(|| TopicProgress::begin(at));
            progress.missing = 0;
            let before = (progress.life.status, progress.life.still);
            let counted = progress.life.counted;
            let from = progress.life.observe(LagSample { lags, whole }, at, settings);
            progress.unsaved |= before != (progress.life.status, progress.life.still);
            progress.moved |= counted != progress.life.counted;
            statuses.extend(progress.transition(name, topic, from));
            for (number, lag) in lags {
                let window = progress.windows.entry(*number).or_default();
                // A verdict that is not known in this cycle stays as it was.
                let found = verdict(window, lag, at.own, lives, settings);
                let found = found.or_else(|| progress.verdicts.get(number).copied()).unwrap_or_default();
                let before = progress.verdicts.insert(*number, found).unwrap_or_default();
                progress.unsaved |= before != found;
            }
            if whole {
                progress.windows.retain(|number, _| lags.contains_key(number));
                progress.verdicts.retain(|number, _| lags.contains_key(number));
            }
        }
        let mut expired = Vec::new();
        self.topics.retain(|topic, progress| {
            if group.topics.contains_key(topic) || group.unread.contains_key(topic) {
                return true;
            }
            // The topic was deleted, or the committed offsets expired.
            progress.missing = progress.missing.saturating_add(1);
            if progress.missing >= MISSES {
                expired.push(topic.clone());
            }
            progress.missing < MISSES
        });
        let verdict = self.topics.values().flat_map(|progress| progress.verdicts.values()).max().copied();
        if verdict != self.verdict {
            self.since = Some(at.wall);
        }
        self.verdict = verdict;
        expired
    }

    /// Takes in that Kafka does not list the group any more. Returns whether the group is still to be remembered.
    fn delete(
        &mut self,
        name: &Arc<str>,
        at: Moment,
        settings: &config::History,
        statuses: &mut Vec<Transition>,
    ) -> bool {
        let was_there = self.verdict.take().is_some();
        for (topic, progress) in &mut self.topics {
            progress.verdicts.clear();
            progress.windows.clear();
            let from = progress.life.delete(at);
            progress.unsaved |= was_there || from.is_some();
            let transition = progress.transition(name, topic, from);
            statuses.extend(transition.map(|transition| Transition { deleted: true, ..transition }));
        }
        self.since().is_some_and(|last| at.own.saturating_sub(last) < settings.absent_group_retention)
    }

    /// The judgement on the group, as the snapshot publishes it.
    fn view(&self, age: &dyn Fn(&str, i32, i64) -> Option<TimeLag>) -> GroupJudgement {
        let topics = self.topics.iter().map(|(topic, progress)| {
            let left = || {
                let commits = progress.life.committed.iter();
                let ages = commits.filter_map(|(number, at)| Some((*number, age(topic, *number, *at)?)));
                ages.max_by_key(|(_, lag)| lag.age)
            };
            let left = (self.missing > 0).then(left).flatten();
            (topic.clone(), TopicJudgement { left, ..progress.view() })
        });
        GroupJudgement {
            verdict: self.verdict,
            since: self.since.unwrap_or(UNIX_EPOCH),
            topics: topics.collect(),
            absent: self.is_absent(),
        }
    }
}

impl TopicProgress {
    /// Begins with the first cycle in which the group had a committed offset on the topic.
    fn begin(at: Moment) -> Self {
        Self { life: Life::begin(at), ..Self::default() }
    }

    /// The change from the status `from` to the present one. `None` if there was none.
    fn transition(&self, group: &Arc<str>, topic: &Arc<str>, from: Option<Status>) -> Option<Transition> {
        from.map(|from| Transition {
            group: group.clone(),
            topic: topic.clone(),
            from,
            to: self.life.status,
            deleted: false,
        })
    }

    /// The verdict of each partition whose verdict is not `ok`.
    pub(super) fn bad(&self) -> BTreeMap<i32, Progress> {
        let bad = self.verdicts.iter().filter(|(_, verdict)| **verdict != Progress::Ok);
        bad.map(|(number, verdict)| (*number, *verdict)).collect()
    }

    /// The judgement on the group on this topic, as the snapshot publishes it.
    fn view(&self) -> TopicJudgement {
        let is_stuck = |verdict: &&Progress| matches!(verdict, Progress::Stall | Progress::Stop);
        TopicJudgement {
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

/// The verdict on a partition. `None` if its lag is not known, and while there are too few samples.
fn verdict(
    window: &mut Window,
    lag: &Lag,
    now: Duration,
    lives: bool,
    settings: &config::History,
) -> Option<Progress> {
    if lag.beyond_end {
        return lag.reset.then_some(Progress::Reset);
    }
    let progress = window.observe(now, (lag.committed, lag.unread()?), lives, settings);
    if lag.lost > Some(0) { Some(Progress::Lost) } else { progress }
}
