//! The status of a group on a topic. Pure: samples in, transitions out.
//!
//! A group becomes offline when in several samples in a row none of its committed offsets moved although records were
//! waiting. It is recovering as soon as one committed offset moves forward. It is online again when it has caught up and
//! has kept up for a while. A committed offset that could not be read changes no status.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::closed_enum::closed_enum;

use super::moment::Moment;
use crate::{config::History, evaluate::lag::Lag};

closed_enum! {
    /// Whether a group commits offsets on a topic.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Status {
        /// The group commits offsets, or no records are waiting.
        #[default]
        Online = "online",
        /// The group commits nothing although records are waiting.
        Offline = "offline",
        /// The group commits offsets again, and has not caught up, or not yet for long enough.
        Recovering = "recovering",
    }
}

impl Status {
    /// The status of a word that [`Status::as_str`] returned. `None` for any other word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// The status of a group on a topic, and what it is judged from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Life {
    /// The status in the last cycle.
    pub(crate) status: Status,
    /// When the group reached that status.
    pub(crate) since: Moment,
    /// When the committed offset of a partition was last seen to move forward. `None` if it never was.
    pub(crate) advanced: Option<SystemTime>,
    /// Number of samples in a row in which no committed offset moved although records were waiting.
    pub(crate) still: u32,
    /// When the last of these samples was taken, on the monotonic clock.
    pub(crate) counted: Duration,
    /// The last committed offset that could be read, by partition.
    pub(crate) committed: BTreeMap<i32, i64>,
}

/// The lag of a group on a topic in one cycle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LagSample<'a> {
    /// The committed offset and the lag, by partition.
    pub(crate) lags: &'a BTreeMap<i32, Lag>,
    /// Whether every committed offset could be read.
    pub(crate) whole: bool,
}

impl Life {
    /// Begins with the first sample, as online.
    pub(crate) fn begin(at: Moment) -> Self {
        Self { since: at, counted: at.own, ..Self::default() }
    }

    /// Adds the sample of this cycle. Returns the status before, if the status has changed.
    pub(crate) fn observe(
        &mut self,
        sample: LagSample<'_>,
        at: Moment,
        settings: &History,
    ) -> Option<Status> {
        let now = at.own;
        let (mut advanced, mut moved) = (false, self.committed.is_empty());
        for (number, lag) in sample.lags {
            let before = self.committed.insert(*number, lag.committed);
            advanced |= before.is_some_and(|before| lag.committed > before);
            moved |= before != Some(lag.committed);
        }
        if sample.whole {
            self.committed.retain(|number, _| sample.lags.contains_key(number));
        }
        if advanced {
            self.advanced = Some(at.wall);
        }
        let is_unknown = |lag: &Lag| lag.records.is_none() && !lag.beyond_end;
        let whole = sample.whole && !sample.lags.values().any(is_unknown);
        let lagging = sample.lags.values().any(|lag| lag.unread() > Some(0));
        // A sample may come a little early: cycles do not start to the millisecond.
        let due = now.saturating_sub(self.counted) >= settings.sample_interval * 3 / 4;
        if moved {
            (self.still, self.counted) = (u32::from(lagging), now);
        } else if whole && !lagging {
            self.still = 0;
        } else if whole && due {
            (self.still, self.counted) = (self.still + 1, now);
        }
        let age = |lag: &Lag| lag.time.map(|time| time.age);
        let near = || {
            sample.lags.values().all(|lag| age(lag).is_some_and(|age| age < settings.online_lag_threshold))
        };
        let next = match self.status {
            Status::Offline if advanced => Status::Recovering,
            Status::Online | Status::Recovering
                if self.still >= settings.offline_detection_consecutive_samples =>
            {
                Status::Offline
            }
            // The committed offsets of a group that has read everything do not move: this counts as progress.
            Status::Recovering
                if (advanced || !lagging)
                    && whole
                    && near()
                    && now.saturating_sub(self.since.own) >= settings.recovering_minimum_duration =>
            {
                Status::Online
            }
            status => status,
        };
        self.turn(next, at)
    }

    /// Kafka does not list the group any more. Returns the status before, if the status has changed.
    pub(crate) fn delete(&mut self, at: Moment) -> Option<Status> {
        self.turn(Status::Offline, at)
    }

    /// Changes the status. Returns the status before, if it is another one.
    fn turn(&mut self, next: Status, at: Moment) -> Option<Status> {
        if next == self.status {
            return None;
        }
        self.since = at;
        Some(std::mem::replace(&mut self.status, next))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cluster::Ends,
        collect::time_lag::{Method, TimeLag},
        evaluate::lag::lag,
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn settings() -> History {
        History {
            path: None,
            sample_interval: MINUTE,
            offline_detection_consecutive_samples: 5,
            recovering_minimum_duration: Duration::from_secs(900),
            online_lag_threshold: Duration::from_secs(600),
            absent_group_retention: Duration::from_secs(604_800),
            absent_group_limit: 1000,
        }
    }

    fn at(own: Duration) -> Moment {
        Moment { own, wall: UNIX_EPOCH + own }
    }

    /// The lag of partitions that are given as committed offset and log end offset. One record is written each second.
    fn lags(partitions: &[(i64, i64)]) -> BTreeMap<i32, Lag> {
        let one = |(committed, end): &(i64, i64)| {
            let mut found = lag(*committed, Ends { start: Some(0), end: Some(*end) }, false);
            let age = |records: i64| Duration::from_secs(u64::try_from(records).unwrap_or(0));
            found.time = found.records.map(|n| TimeLag { age: age(n), error: None, method: Method::History });
            found
        };
        (0..).zip(partitions.iter().map(one)).collect()
    }

    /// The status after each sample; a sample is taken each minute.
    fn lived<L: AsRef<[(i64, i64)]>>(samples: &[L]) -> Vec<Status> {
        let mut life = Life::begin(Moment::default());
        let statuses = samples.iter().zip(0..).map(|(sample, minute)| {
            life.observe(
                LagSample { lags: &lags(sample.as_ref()), whole: true },
                at(minute * MINUTE),
                &settings(),
            );
            life.status
        });
        statuses.collect()
    }

    use Status::{Offline, Online, Recovering};

    #[test]
    fn group_whose_offsets_stand_still_for_five_samples_is_offline() {
        assert_eq!(lived(&[[(10, 20)]; 6]), [Online, Online, Online, Online, Offline, Offline]);
    }

    #[test]
    fn group_without_lag_is_online_and_separate_pauses_do_not_add_up() {
        assert_eq!(lived(&[[(20, 20)]; 9]), [Online; 9]);
        // Four samples stand still, then the group reads everything; this repeats.
        let mut samples: Vec<Vec<(i64, i64)>> = Vec::new();
        for round in 0..4 {
            samples.extend(vec![vec![(10 * round, 10 * round + 10)]; 4]);
            samples.push(vec![(10 * round + 10, 10 * round + 10)]);
        }
        assert!(lived(&samples).iter().all(|status| *status == Online));
    }

    #[test]
    fn offsets_without_readable_records_are_not_waiting_records() {
        // One log has only control batches after the committed offset, and the other log has no records at all.
        let mut left = lags(&[(10, 11), (10, 20)]);
        let nothing = TimeLag { age: Duration::ZERO, error: Some(Duration::ZERO), method: Method::Current };
        left.get_mut(&0).expect("a lag").time = Some(nothing);
        left.get_mut(&1).expect("a lag").lost = Some(10);
        let mut life = Life::begin(Moment::default());
        for minute in 0..9 {
            life.observe(LagSample { lags: &left, whole: true }, at(minute * MINUTE), &settings());
        }
        assert_eq!((life.status, life.still), (Online, 0));
    }

    #[test]
    fn group_with_one_stuck_partition_is_offline_although_another_has_no_lag() {
        for stuck in [[(10, 20), (30, 30)], [(30, 30), (10, 20)]] {
            assert_eq!(lived(&[stuck; 6])[4..], [Offline, Offline]);
        }
    }

    #[test]
    fn group_with_one_moving_partition_is_online() {
        let samples: Vec<[(i64, i64); 2]> = (0..9).map(|minute| [(10, 20), (minute, 100)]).collect();
        assert_eq!(lived(&samples), [Online; 9]);
    }

    #[test]
    fn group_that_commits_again_recovers_for_the_configured_time() {
        let mut samples: Vec<Vec<(i64, i64)>> = vec![vec![(100, 2000)]; 5];
        // The group reads 100 records a minute; from offset 1400 on its time lag is less than ten minutes.
        samples.extend((1..=19).map(|minute| vec![(100 + 100 * minute, 2000)]));
        samples.extend(vec![vec![(2000, 2000)]; 3]);
        let lived = lived(&samples);
        assert_eq!((lived[4], lived[5]), (Offline, Recovering));
        let online = lived.iter().skip(5).position(|status| *status == Online);
        assert_eq!(online, Some(15), "after fifteen minutes, although the time lag is small after fourteen");
    }

    #[test]
    fn recovering_group_without_lag_is_online_after_the_configured_time() {
        let mut samples: Vec<&[(i64, i64)]> = vec![&[(10, 20)]; 5];
        samples.extend(vec![&[(20i64, 20i64)][..]; 17]);
        let lived = lived(&samples);
        assert_eq!((lived[5], lived[19], lived[20]), (Recovering, Recovering, Online));
    }

    #[test]
    fn offline_group_whose_offset_is_reset_backwards_stays_offline() {
        let mut samples: Vec<&[(i64, i64)]> = vec![&[(10, 20)]; 5];
        samples.extend([&[(0i64, 20i64)][..], &[(0, 20)]]);
        assert_eq!(lived(&samples)[5..], [Offline, Offline]);
    }

    #[test]
    fn group_whose_offsets_cannot_be_read_keeps_its_status() {
        let (mut life, stuck) = (Life::begin(Moment::default()), lags(&[(10, 20)]));
        let unknown = lags(&[(10, 20)]).into_values().map(|lag| Lag { records: None, ..lag });
        let unknown: BTreeMap<_, _> = (0..).zip(unknown).collect();
        life.observe(LagSample { lags: &stuck, whole: true }, at(Duration::ZERO), &settings());
        for minute in 1..100 {
            life.observe(LagSample { lags: &stuck, whole: false }, at(minute * MINUTE), &settings());
            life.observe(LagSample { lags: &unknown, whole: true }, at(minute * MINUTE), &settings());
            life.observe(
                LagSample { lags: &BTreeMap::new(), whole: false },
                at(minute * MINUTE),
                &settings(),
            );
        }
        assert_eq!((life.status, life.still), (Online, 1));
    }

    #[test]
    fn cycles_shorter_than_the_sample_interval_add_no_samples() {
        let (mut life, stuck) = (Life::begin(Moment::default()), lags(&[(10, 20)]));
        let offline = (0..100).find(|cycle| {
            life.observe(LagSample { lags: &stuck, whole: true }, at(*cycle * MINUTE / 6), &settings());
            life.status == Offline
        });
        assert!(offline.is_some_and(|cycle| (18..=24).contains(&cycle)), "{offline:?}");
    }

    /// A simple implementation that keeps all samples and judges from all of them each time.
    #[derive(Default)]
    struct Model {
        samples: Vec<[(i64, i64); 2]>,
        status: Status,
        since: usize,
    }

    impl Model {
        fn observe(&mut self, sample: [(i64, i64); 2]) -> Status {
            self.samples.push(sample);
            let now = self.samples.len() - 1;
            let before = now.checked_sub(1).map(|before| self.samples[before]);
            let advanced =
                before.is_some_and(|before| sample.iter().zip(before).any(|(now, before)| now.0 > before.0));
            let commits = |sample: &[(i64, i64); 2]| sample.map(|(committed, _)| committed);
            let lagging = |sample: &[(i64, i64); 2]| sample.iter().any(|(committed, end)| committed < end);
            let still = self.samples.len() >= 5
                && self.samples[now - 4..].iter().all(|one| commits(one) == commits(&sample) && lagging(one));
            let near = sample.iter().all(|(committed, end)| end - committed < 600);
            let next = match self.status {
                Offline if advanced => Recovering,
                Online | Recovering if still => Offline,
                Recovering if (advanced || !lagging(&sample)) && near && now - self.since >= 15 => Online,
                status => status,
            };
            if next != self.status {
                (self.status, self.since) = (next, now);
            }
            next
        }
    }

    proptest! {
        #[test]
        fn life_has_the_status_of_the_simple_model(
            steps in prop::collection::vec((0..4u8, 0..4u8, 0i64..400, 0i64..400), 1..200),
        ) {
            let (mut model, mut life) = (Model::default(), Life::begin(Moment::default()));
            let mut sample = [(0, 500), (0, 500)];
            for (minute, (first, second, read, written)) in (0..).zip(steps) {
                for (place, step) in [first, second].into_iter().enumerate() {
                    let (committed, end) = &mut sample[place];
                    match step {
                        0 => *committed = (*committed + read).min(*end),
                        1 => *end += written,
                        2 => *committed = *end,
                        _ => {}
                    }
                }
                life.observe(LagSample { lags: &lags(&sample), whole: true }, at(minute * MINUTE), &settings());
                prop_assert_eq!(life.status, model.observe(sample), "minute {}", minute);
            }
        }
    }
}
