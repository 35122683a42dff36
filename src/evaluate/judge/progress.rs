//! The judgement on a group's progress on a partition, with Burrow's names. Pure.
//!
//! The rules are Burrow's "consumer lag evaluation rules". Burrow applies them to the commits themselves. This service does
//! not read the topic `__consumer_offsets`, and applies them to the committed offset that it samples. A group that has
//! members counts as committing in each cycle, whether its committed offset moves or not. A group without members counts
//! as committing only when its committed offset moves. Burrow merges commits that are close together. In the same way,
//! cycles that are shorter than the sample interval add no samples.

use std::{collections::VecDeque, time::Duration};

use crate::{closed_enum::closed_enum, config::History};

/// Number of samples that are kept of a partition; the default of Burrow.
pub(crate) const WINDOW: usize = 10;

/// Fewer samples than this show no trend.
const LEAST: usize = 5;

closed_enum! {
    /// The progress of a group on a partition, from good to bad.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Progress {
        /// The group keeps up, or catches up.
        #[default]
        Ok = "ok",
        /// The committed offset moves, and the lag grows in every cycle.
        Warn = "warn",
        /// The group has members, and the committed offset does not move although records are waiting.
        Stall = "stall",
        /// The group has stopped committing although records are waiting.
        Stop = "stop",
        /// The committed offset moved backwards, and has not yet reached its earlier value.
        Rewind = "rewind",
        /// The committed offset is beyond the log end: the log was truncated or recreated.
        Reset = "reset",
        /// Records were deleted before the group read them.
        Lost = "lost",
    }
}

impl Progress {
    /// The progress as one byte: its index in [`Progress::ALL`].
    pub(crate) fn to_byte(self) -> u8 {
        self as u8
    }

    /// The progress of a byte that [`Progress::to_byte`] returned. `None` for any other byte.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// A sample of a committed offset. The type is small because the service keeps ten samples of each of tens of thousands of
/// partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    /// When the sample was taken, in tenths of a second on the monotonic clock.
    at: u32,
    /// The committed offset.
    committed: i64,
    /// The lag in records, at most `u32::MAX`.
    lag: u32,
}

/// The last samples of a partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    /// At most [`WINDOW`] samples, the oldest first.
    samples: VecDeque<Sample>,
    /// The log end offset in the last cycle, and in the cycle before. `None` if there was no such cycle.
    ends: [Option<i64>; 2],
}

impl Window {
    /// Adds the committed offset and the lag of this cycle, and returns the verdict. `None` while there are too few samples.
    /// `lives` says whether the group has members. A group without members has stopped once it has committed nothing for
    /// longer than it takes to become offline.
    pub(crate) fn observe(
        &mut self,
        now: Duration,
        (committed, lag): (i64, i64),
        lives: bool,
        settings: &History,
    ) -> Option<Progress> {
        self.ends = [Some(committed.saturating_add(lag)), self.ends[0]];
        let is_news = self.samples.back().is_none_or(|last| last.committed != committed);
        if lives || is_news {
            let lag_then = u32::try_from(lag.max(0)).unwrap_or(u32::MAX);
            self.take(Sample { at: tenths(now), committed, lag: lag_then }, settings.sample_interval);
        }
        if lag <= 0 {
            return Some(Progress::Ok);
        }
        self.judge(now, settings.sample_interval * settings.offline_detection_consecutive_samples)
    }

    fn take(&mut self, sample: Sample, apart: Duration) {
        // A sample may come a little early. A committed offset that moves backwards always becomes a sample.
        let close = |last: &&mut Sample| {
            sample.at - last.at < tenths(apart * 3 / 4) && sample.committed >= last.committed
        };
        if let Some(last) = self.samples.back_mut().filter(close) {
            last.committed = sample.committed;
            last.lag = last.lag.min(sample.lag);
            return;
        }
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        } else if self.samples.len() == self.samples.capacity() {
            // Reserve the exact window: doubling would exceed it. A partition whose committed offset never moves needs one sample.
            let more = if self.samples.is_empty() { 1 } else { WINDOW - self.samples.len() };
            self.samples.reserve_exact(more);
        }
        self.samples.push_back(sample);
    }

    fn judge(&self, now: Duration, patience: Duration) -> Option<Progress> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let silence = tenths(now).saturating_sub(last.at);
        // A group that had no lag in the cycle before has had no time yet to read new records.
        let had_lag = self.ends[1].is_none_or(|end| end > last.committed);
        if had_lag && silence > (last.at - first.at).max(tenths(patience)) {
            return Some(Progress::Stop);
        }
        if self.samples.iter().any(|sample| sample.committed > last.committed) {
            return Some(Progress::Rewind);
        }
        let pairs = || self.samples.iter().zip(self.samples.iter().skip(1));
        let is_still = pairs().all(|(one, next)| one.committed == next.committed);
        let was_done = self.samples.iter().any(|sample| sample.lag == 0);
        if self.samples.len() < LEAST {
            return Some(Progress::Ok).filter(|_| was_done || !is_still);
        }
        if was_done {
            return Some(Progress::Ok);
        }
        if is_still {
            return Some(Progress::Stall);
        }
        // Burrow warns of any lag that never shrinks. A group that reads records soon after they are written has about the same
        // small lag in every sample: a lag that is not larger than what the group reads between two samples is no warning.
        let read = last.committed.saturating_sub(first.committed) / (self.samples.len() as i64 - 1);
        let grows = last.lag > first.lag && pairs().all(|(one, next)| one.lag <= next.lag);
        Some(if grows && i64::from(last.lag) > read { Progress::Warn } else { Progress::Ok })
    }
}

/// The time in tenths of a second.
fn tenths(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / 100).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(sample: u64, samples: u32) -> History {
        let zero = Duration::ZERO;
        History {
            path: None,
            sample_interval: Duration::from_secs(sample),
            offline_detection_consecutive_samples: samples,
            recovering_minimum_duration: zero,
            online_lag_threshold: zero,
            absent_group_retention: zero,
            absent_group_limit: 1000,
        }
    }

    /// The verdict on samples at 100, 200, … seconds, and a last one at `now` seconds.
    fn judged(offsets: &[i64], lags: &[i64], now: u64) -> Progress {
        let mut window = Window::default();
        for ((offset, lag), step) in offsets.iter().zip(lags).zip(1..) {
            window.observe(Duration::from_secs(100 * step), (*offset, *lag), true, &every(0, 0));
        }
        let last = offsets.iter().zip(lags).next_back().expect("one");
        window.observe(Duration::from_secs(now), (*last.0, *last.1), false, &every(0, 0)).expect("enough")
    }

    #[test]
    fn window_gives_the_verdicts_of_burrow() {
        let moving = [1000, 2000, 3000, 4000, 5000];
        let still = [1000; 5];
        let table: [(&[i64], &[i64], u64, Progress); 14] = [
            (&moving, &[0, 50, 100, 150, 200], 600, Progress::Ok),
            (&moving, &[0, 50, 100, 150, 200], 900, Progress::Ok),
            (&moving, &[0, 50, 100, 150, 200], 1000, Progress::Stop),
            (&moving, &[1050, 1100, 1150, 1200, 1250], 600, Progress::Warn),
            (&moving, &[1050, 1100, 1090, 1200, 1250], 600, Progress::Ok),
            (&moving, &[50, 100, 150, 200, 250], 600, Progress::Ok),
            (&moving, &[1050; 5], 600, Progress::Ok),
            (&still, &[0, 50, 100, 150, 200], 600, Progress::Ok),
            (&still, &[100, 150, 200, 250, 300], 600, Progress::Stall),
            (&still, &[100; 5], 600, Progress::Stall),
            (&still, &[0; 5], 1000, Progress::Ok),
            (&[1000, 2000, 3000, 2000, 4000], &[100, 150, 200, 1250, 300], 600, Progress::Ok),
            (&[1000, 2000, 3000, 2000, 2500], &[100, 150, 200, 1250, 800], 600, Progress::Rewind),
            (&[1000, 2000], &[50, 100], 250, Progress::Ok),
        ];
        for (offsets, lags, now, expected) in table {
            assert_eq!(judged(offsets, lags, now), expected, "{offsets:?} {lags:?} {now}");
        }
    }

    #[test]
    fn group_without_members_stops_and_group_with_members_stalls() {
        let (mut left, mut there) = (Window::default(), Window::default());
        let (at, settings) = (|step: u64| Duration::from_secs(30 * step), every(30, 5));
        let verdicts: Vec<_> = (1..=9)
            .map(|step| {
                let observe =
                    |window: &mut Window, lives| window.observe(at(step), (7, 40), lives, &settings);
                [observe(&mut left, false), observe(&mut there, true)]
            })
            .collect();
        let (stall, stop) = (Some(Progress::Stall), Some(Progress::Stop));
        let stopped = verdicts.iter().map(|verdicts| verdicts[0]).collect::<Vec<_>>();
        assert_eq!(stopped, [None, None, None, None, None, None, stop, stop, stop], "no verdict before");
        let stuck = verdicts.iter().map(|verdicts| verdicts[1]).collect::<Vec<_>>();
        assert_eq!(stuck, [None, None, None, None, stall, stall, stall, stall, stall]);
    }

    #[test]
    fn group_without_lag_in_the_cycle_before_has_not_stopped() {
        let mut window = Window::default();
        let settings = every(30, 5);
        let mut observe = |at, lag| window.observe(Duration::from_secs(at), (7, lag), false, &settings);
        assert_eq!(observe(10, 0), Some(Progress::Ok));
        assert_eq!((observe(9000, 40), observe(9030, 40)), (Some(Progress::Ok), Some(Progress::Stop)));
    }

    #[test]
    fn verdict_does_not_depend_on_the_length_of_the_cycle() {
        // A group that commits once a minute, and always has a small lag.
        let settings = every(60, 5);
        for step in [1, 5, 20, 30, 60] {
            let mut window = Window::default();
            let verdicts = (0..3600 / step).map(|cycle| {
                let (at, committed) = (cycle * step, i64::try_from(cycle * step / 60 * 100).expect("small"));
                window.observe(Duration::from_secs(at), (committed, 7), true, &settings)
            });
            let bad: Vec<_> = verdicts.flatten().filter(|verdict| *verdict != Progress::Ok).collect();
            assert_eq!(bad, [], "every {step} s");
            assert!(window.samples.len() == WINDOW && window.samples.capacity() == WINDOW);
        }
    }

    #[test]
    fn offset_that_moves_backwards_between_two_samples_is_a_rewind() {
        let (mut window, settings) = (Window::default(), every(60, 5));
        let verdicts = [(0, 50), (5, 20), (10, 25)]
            .map(|(at, committed)| window.observe(Duration::from_secs(at), (committed, 7), true, &settings));
        assert_eq!(verdicts, [None, Some(Progress::Rewind), Some(Progress::Rewind)]);
    }
}
