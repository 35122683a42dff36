//! The samples that are read again later, and the counts.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    ages::{Age, RETENTION, label, spacing},
    judge::{Judgement, Unchecked},
    lost::LostRecord,
    sample::Sample,
    snapshot::Snapshot,
};
use crate::{kafka::admin::Topic, probe::heartbeat::Acknowledged};

/// The number of samples that wait for the ages of the configuration, and the number of those that wait for the end of the retention.
/// Each takes less than 200 bytes.
pub(super) const MOST_WAITING: u32 = 4096;

/// The number of all samples. It is reached only if samples cannot be read.
const MOST: usize = 10_000;

/// The samples of all partitions, and what was found.
#[derive(Debug)]
pub(super) struct State {
    /// The least time between two samples of a partition.
    least: Duration,
    /// The largest age of the configuration.
    last_age: Duration,
    /// By partition, in the order in which they were taken.
    samples: BTreeMap<i32, VecDeque<Sample>>,
    /// When the last sampled heartbeat of each partition was acknowledged.
    taken: BTreeMap<i32, SystemTime>,
    counts: Snapshot,
    /// Whether the samples differ from those that were saved.
    pub(super) changed: bool,
}

/// A sample that is due.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) sample: Sample,
    /// The largest age that the sample has reached.
    pub(super) age: Age,
}

impl State {
    /// No samples, one of which is to be taken in each `least`, and the ages of the configuration, the smallest first.
    pub(super) fn new(least: Duration, after: &[Duration]) -> Self {
        let labels = after.iter().map(|age| label(*age)).chain([RETENTION.into()]);
        let counts = Snapshot { checked: labels.map(|label| (label, 0)).collect(), ..Snapshot::default() };
        Self {
            least,
            last_age: after.last().copied().unwrap_or_default(),
            samples: BTreeMap::new(),
            taken: BTreeMap::new(),
            counts,
            changed: false,
        }
    }

    /// Continues with the samples of an earlier run.
    pub(super) fn remember(&mut self, samples: Vec<Sample>) {
        for sample in samples.into_iter().take(MOST) {
            self.samples.entry(sample.partition).or_default().push_back(sample);
            self.taken.insert(sample.partition, sample.acknowledged);
        }
    }

    /// Every sample.
    pub(super) fn all(&self) -> Vec<Sample> {
        self.samples.values().flatten().copied().collect()
    }

    /// What is published. `overdue` samples were due and could not be judged.
    pub(super) fn snapshot(&self, overdue: usize) -> Snapshot {
        Snapshot { samples: self.len(), overdue, ..self.counts.clone() }
    }

    fn len(&self) -> usize {
        self.samples.values().map(VecDeque::len).sum()
    }

    /// Takes a sample, unless another one of the partition was taken a moment ago. The topic was `before` when the heartbeat was sent.
    pub(super) fn take(&mut self, acknowledged: &Acknowledged, before: &Topic) {
        let spacing = spacing(self.least, self.last_age, before.partitions.len(), MOST_WAITING);
        let last = self.taken.get(&acknowledged.id.partition);
        // A clock that was set back is no reason to wait.
        let is_early =
            |last: &SystemTime| acknowledged.written.duration_since(*last).is_ok_and(|since| since < spacing);
        if last.is_some_and(is_early) {
            return;
        }
        let is_full = self.len() >= MOST;
        let sample = Sample::new(acknowledged, before);
        let samples = self.samples.entry(sample.partition).or_default();
        if is_full && samples.pop_front().is_some() {
            self.counts.unchecked[Unchecked::Forgotten as usize] += 1;
        } else if is_full {
            return;
        }
        samples.push_back(sample);
        self.taken.insert(sample.partition, sample.acknowledged);
        self.changed = true;
    }

    /// Gives up the samples of another topic of the same name, and those that are older than the retention.
    pub(super) fn give_up(&mut self, topic: &Topic, retention: Option<Duration>, now: SystemTime) {
        let counts = &mut self.counts.unchecked;
        let before = self.samples.values().map(VecDeque::len).sum::<usize>();
        for samples in self.samples.values_mut() {
            samples.retain(|sample| {
                let is_expired = retention.is_some_and(|retention| sample.age(now) > retention);
                let why = match sample.is_before(topic) {
                    true => Unchecked::Recreated,
                    false if is_expired => Unchecked::Expired,
                    false => return true,
                };
                counts[why as usize] += 1;
                false
            });
        }
        self.samples.retain(|_, samples| !samples.is_empty());
        self.changed |= self.len() != before;
    }

    /// The samples that are due, by partition, those first that are due for longest.
    pub(super) fn due(&self, ages: &[Age], now: SystemTime) -> BTreeMap<i32, VecDeque<Due>> {
        let due = |sample: &Sample| {
            let reached = ages.iter().rfind(|age| age.at <= sample.age(now))?;
            (reached.at > sample.checked).then(|| Due { sample: *sample, age: reached.clone() })
        };
        let of_partition = |(partition, samples): (&i32, &VecDeque<Sample>)| {
            let due: VecDeque<_> = samples.iter().filter_map(due).collect();
            (!due.is_empty()).then_some((*partition, due))
        };
        self.samples.iter().filter_map(of_partition).collect()
    }

    /// Books the judgement of a sample. Returns the record if it is lost.
    pub(super) fn settle(
        &mut self,
        due: &Due,
        judgement: Judgement,
        ages: &[Age],
        topic: &Arc<str>,
        now: SystemTime,
    ) -> Option<LostRecord> {
        match judgement {
            Judgement::Open => None,
            Judgement::Good(epoch) => {
                self.count(&due.age);
                self.keep(due, epoch, ages);
                None
            }
            Judgement::Unchecked(why) => {
                self.counts.unchecked[why as usize] += 1;
                self.remove(&due.sample);
                None
            }
            Judgement::Lost(loss, words) => {
                self.count(&due.age);
                self.remove(&due.sample);
                let record =
                    LostRecord { topic: topic.clone(), sample: due.sample, loss, now: words, found: now };
                self.counts.lost_by[loss as usize] += 1;
                self.counts.lost.add(record.clone());
                Some(record)
            }
        }
    }

    /// Counts a record that was compared.
    fn count(&mut self, age: &Age) {
        let counted = self.counts.checked.iter_mut().find(|(label, _)| *label == age.label);
        counted.into_iter().for_each(|(_, count)| *count += 1);
    }

    /// Keeps a sample that is good for the next age, if there is one.
    fn keep(&mut self, due: &Due, epoch: i32, ages: &[Age]) {
        let next = ages.iter().find(|age| age.at > due.age.at);
        let stays = next.is_some_and(|next| *next.label != *RETENTION || self.is_kept_to_the_end(due, next));
        if !stays {
            return self.remove(&due.sample);
        }
        self.changed = true;
        let samples = self.samples.get_mut(&due.sample.partition);
        let kept =
            samples.and_then(|samples| samples.iter_mut().find(|sample| sample.key() == due.sample.key()));
        if let Some(sample) = kept {
            (sample.checked, sample.leader_epoch) = (due.age.at, Some(epoch));
        }
    }

    /// Whether a sample waits for the end of the retention. So few of a long time do that the number of samples has a bound.
    fn is_kept_to_the_end(&self, due: &Due, end: &Age) -> bool {
        let spacing = spacing(self.least, end.at, self.samples.len(), MOST_WAITING);
        let samples = self.samples.get(&due.sample.partition).into_iter().flatten();
        let mut waiting =
            samples.filter(|sample| sample.checked >= due.age.at && sample.key() != due.sample.key());
        waiting.all(|other| {
            let since = due.sample.acknowledged.duration_since(other.acknowledged);
            since.unwrap_or_else(|later| later.duration()) >= spacing
        })
    }

    fn remove(&mut self, sample: &Sample) {
        self.changed = true;
        if let Some(samples) = self.samples.get_mut(&sample.partition) {
            samples.retain(|kept| kept.key() != sample.key());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, UNIX_EPOCH};

    use super::*;
    use crate::{
        kafka::{TopicId, admin::Partition},
        probe::{
            durability::ages::ages,
            heartbeat::{HeartbeatId, record::Identity},
        },
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn topic(partitions: i32) -> Topic {
        let partition =
            Partition { leader: None, leader_epoch: Some(1), replicas: Vec::new(), isr: Vec::new() };
        let partitions = (0..partitions).map(|number| (number, partition.clone())).collect();
        Topic { id: Some(TopicId(1)), partitions }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A heartbeat that was acknowledged at this second.
    fn acknowledged(partition: i32, second: u64) -> Acknowledged {
        Acknowledged {
            identity: Identity { instance: 1, epoch: 7 },
            id: HeartbeatId { partition, sequence: second },
            offset: 0,
            checksum: 0,
            broker: None,
            at: Instant::now(),
            written: at(second),
        }
    }

    /// Books every sample that is due as good. Returns the labels of the ages.
    fn all_good(state: &mut State, ages: &[Age], now: SystemTime) -> Vec<Arc<str>> {
        let due: Vec<_> = state.due(ages, now).into_values().flatten().collect();
        for due in &due {
            assert!(state.settle(due, Judgement::Good(1), ages, &"hb".into(), now).is_none());
        }
        due.into_iter().map(|due| due.age.label).collect()
    }

    #[test]
    fn sample_that_missed_ages_is_read_once_at_the_largest_of_them() {
        let (after, retention) = ([MINUTE, 10 * MINUTE], Some(60 * MINUTE));
        let (mut state, ages) = (State::new(MINUTE, &after), ages(&after, retention));
        state.take(&acknowledged(0, 0), &topic(1));
        let steps = [(59, ""), (600, "10m"), (3239, ""), (3240, "retention"), (9999, "")];
        for (second, expected) in steps {
            assert_eq!(all_good(&mut state, &ages, at(second)).join(" "), *expected, "second {second}");
        }
        let counts: Vec<_> = state.snapshot(0).checked.iter().map(|(_, count)| *count).collect();
        assert_eq!((counts, state.snapshot(0).samples), (vec![0, 1, 1], 0));
    }

    #[test]
    fn number_of_samples_has_a_bound_for_many_partitions_and_a_long_retention() {
        let (after, retention) = ([MINUTE, 10 * MINUTE], Some(7 * 24 * 60 * MINUTE));
        let (mut state, ages) = (State::new(MINUTE, &after), ages(&after, retention));
        let (topic, mut most) = (topic(700), 0);
        for minute in 0..400 {
            for partition in 0..700 {
                state.take(&acknowledged(partition, minute * 60), &topic);
            }
            all_good(&mut state, &ages, at(minute * 60));
            most = most.max(state.len());
        }
        assert!((3000..=2 * MOST_WAITING as usize).contains(&most), "{most} samples");
    }

    #[test]
    fn oldest_samples_are_forgotten_while_none_can_be_read() {
        let mut state = State::new(Duration::from_millis(1), &[Duration::from_secs(1)]);
        for second in 0..MOST as u64 + 5 {
            state.take(&acknowledged(0, second), &topic(1));
        }
        let snapshot = state.snapshot(0);
        assert_eq!((snapshot.samples, snapshot.unchecked[Unchecked::Forgotten as usize]), (MOST, 5));
        assert_eq!(state.all()[0].acknowledged, at(5));
    }

    #[test]
    fn clock_that_was_set_back_does_not_stop_the_sampling() {
        let mut state = State::new(MINUTE, &[MINUTE]);
        for (second, expected) in [(1000, 1), (1059, 1), (1060, 2), (500, 3), (530, 3)] {
            state.take(&acknowledged(0, second), &topic(1));
            assert_eq!(state.len(), expected, "second {second}");
        }
    }
}
