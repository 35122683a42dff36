//! How a group gets on with a partition, in Burrow's words. Pure.
//!
//! The rules are Burrow's "consumer lag evaluation rules", over our own samples instead of the commits themselves: these
//! cannot be seen without reading what only brokers should. So a group that has members counts as committing at every
//! look, whether its offset moves or not, and one that has none only when it moves. As Burrow merges commits that come
//! too close, looks that come more often than samples make no more of them.

use std::{collections::VecDeque, time::Duration};

use crate::config::History;

/// Samples that are kept of a partition, as Burrow does.
pub(crate) const WINDOW: usize = 10;

/// Fewer say nothing of a trend.
const LEAST: usize = 5;

/// How it gets on, from good to bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It keeps up, or catches up.
    #[default]
    Ok,
    /// The committed offset moves, and the lag grows in every cycle.
    Warn,
    /// It is there, and does not move.
    Stall,
    /// It is gone with work left.
    Stop,
    /// It went back, and is not yet where it was.
    Rewind,
    /// The committed offset is beyond the log end: the log was truncated or recreated.
    Reset,
    /// Records were deleted before it read them.
    Lost,
}

impl Verdict {
    /// As one byte: its place in [`Verdict::ALL`].
    pub(crate) fn to_byte(self) -> u8 {
        self as u8
    }

    /// What [`Verdict::to_byte`] says.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// Every verdict, in the order of the labels.
    pub const ALL: [Verdict; 7] = [
        Verdict::Ok,
        Verdict::Warn,
        Verdict::Stall,
        Verdict::Stop,
        Verdict::Rewind,
        Verdict::Reset,
        Verdict::Lost,
    ];

    /// The verdict as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Stall => "stall",
            Verdict::Stop => "stop",
            Verdict::Rewind => "rewind",
            Verdict::Reset => "reset",
            Verdict::Lost => "lost",
        }
    }
}

/// A commit, when it was seen, and how far it was from the end then. Small: there are ten for each of tens of thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    /// Tenths of a second.
    at: u32,
    committed: i64,
    lag: u32,
}

/// The last samples of a partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    samples: VecDeque<Sample>,
    /// Where the log ended at the last look, and at the one before.
    ends: [Option<i64>; 2],
}

impl Window {
    /// Takes a look at the partition in, and says what is to be made of it; nothing, while too little was seen.
    /// `lives` says that somebody is in the group: who is not is said to have stopped after a silence that is longer
    /// than it takes to be offline.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        (committed, lag): (i64, i64),
        lives: bool,
        settings: &History,
    ) -> Option<Verdict> {
        self.ends = [Some(committed.saturating_add(lag)), self.ends[0]];
        let is_news = self.samples.back().is_none_or(|last| last.committed != committed);
        if lives || is_news {
            let lag_then = u32::try_from(lag.max(0)).unwrap_or(u32::MAX);
            self.take(Sample { at: tenths(now), committed, lag: lag_then }, settings.sample_interval);
        }
        if lag <= 0 {
            return Some(Verdict::Ok);
        }
        self.judge(now, settings.sample_interval * settings.offline_detection_consecutive_samples)
    }

    fn take(&mut self, sample: Sample, apart: Duration) {
        // A little early is in time, and who goes back is never overlooked.
        let close = |last: &&mut Sample| {
            sample.at - last.at < tenths(apart * 3 / 4) && sample.committed >= last.committed
        };
        if let Some(last) = self.samples.back_mut().filter(close) {
            (last.committed, last.lag) = (sample.committed, last.lag.min(sample.lag));
            return;
        }
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        } else if self.samples.len() == self.samples.capacity() {
            // Doubling would end far above the most there are; of who never moves, one is all there is.
            let more = if self.samples.is_empty() { 1 } else { WINDOW - self.samples.len() };
            self.samples.reserve_exact(more);
        }
        self.samples.push_back(sample);
    }

    fn judge(&self, now: Duration, patience: Duration) -> Option<Verdict> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let silence = tenths(now).saturating_sub(last.at);
        // A group that had no lag in the cycle before has had no time yet to read new records.
        let had_lag = self.ends[1].is_none_or(|end| end > last.committed);
        if had_lag && silence > (last.at - first.at).max(tenths(patience)) {
            return Some(Verdict::Stop);
        }
        if self.samples.iter().any(|sample| sample.committed > last.committed) {
            return Some(Verdict::Rewind);
        }
        let pairs = || self.samples.iter().zip(self.samples.iter().skip(1));
        let is_still = pairs().all(|(one, next)| one.committed == next.committed);
        let was_done = self.samples.iter().any(|sample| sample.lag == 0);
        if self.samples.len() < LEAST {
            return Some(Verdict::Ok).filter(|_| was_done || !is_still);
        }
        if was_done {
            return Some(Verdict::Ok);
        }
        if is_still {
            return Some(Verdict::Stall);
        }
        // Burrow warns of any lag that never shrinks. A group that reads records soon after they are written has about the same
        // small lag in every sample: a lag that is not larger than what the group reads between two samples is no warning.
        let read = last.committed.saturating_sub(first.committed) / (self.samples.len() as i64 - 1);
        let grows = last.lag > first.lag && pairs().all(|(one, next)| one.lag <= next.lag);
        Some(if grows && i64::from(last.lag) > read { Verdict::Warn } else { Verdict::Ok })
    }
}

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

    /// Commits at 100, 200, … seconds, and another look at `now`.
    fn judged(offsets: &[i64], lags: &[i64], now: u64) -> Verdict {
        let mut window = Window::default();
        for ((offset, lag), step) in offsets.iter().zip(lags).zip(1..) {
            window.look(Duration::from_secs(100 * step), (*offset, *lag), true, &every(0, 0));
        }
        let last = offsets.iter().zip(lags).next_back().expect("one");
        window.look(Duration::from_secs(now), (*last.0, *last.1), false, &every(0, 0)).expect("enough")
    }

    #[test]
    fn it_says_what_burrow_says() {
        let moving = [1000, 2000, 3000, 4000, 5000];
        let still = [1000; 5];
        let table: [(&[i64], &[i64], u64, Verdict); 14] = [
            (&moving, &[0, 50, 100, 150, 200], 600, Verdict::Ok),
            (&moving, &[0, 50, 100, 150, 200], 900, Verdict::Ok),
            (&moving, &[0, 50, 100, 150, 200], 1000, Verdict::Stop),
            (&moving, &[1050, 1100, 1150, 1200, 1250], 600, Verdict::Warn),
            (&moving, &[1050, 1100, 1090, 1200, 1250], 600, Verdict::Ok),
            (&moving, &[50, 100, 150, 200, 250], 600, Verdict::Ok),
            (&moving, &[1050; 5], 600, Verdict::Ok),
            (&still, &[0, 50, 100, 150, 200], 600, Verdict::Ok),
            (&still, &[100, 150, 200, 250, 300], 600, Verdict::Stall),
            (&still, &[100; 5], 600, Verdict::Stall),
            (&still, &[0; 5], 1000, Verdict::Ok),
            (&[1000, 2000, 3000, 2000, 4000], &[100, 150, 200, 1250, 300], 600, Verdict::Ok),
            (&[1000, 2000, 3000, 2000, 2500], &[100, 150, 200, 1250, 800], 600, Verdict::Rewind),
            (&[1000, 2000], &[50, 100], 250, Verdict::Ok),
        ];
        for (offsets, lags, now, expected) in table {
            assert_eq!(judged(offsets, lags, now), expected, "{offsets:?} {lags:?} {now}");
        }
    }

    #[test]
    fn who_has_left_is_silent_and_who_is_there_stalls() {
        let (mut left, mut there) = (Window::default(), Window::default());
        let (at, settings) = (|step: u64| Duration::from_secs(30 * step), every(30, 5));
        let said: Vec<_> = (1..=9)
            .map(|step| {
                let look = |window: &mut Window, lives| window.look(at(step), (7, 40), lives, &settings);
                [look(&mut left, false), look(&mut there, true)]
            })
            .collect();
        let (stall, stop) = (Some(Verdict::Stall), Some(Verdict::Stop));
        let gone = said.iter().map(|said| said[0]).collect::<Vec<_>>();
        assert_eq!(gone, [None, None, None, None, None, None, stop, stop, stop], "nobody knows before");
        let stuck = said.iter().map(|said| said[1]).collect::<Vec<_>>();
        assert_eq!(stuck, [None, None, None, None, stall, stall, stall, stall, stall]);
    }

    #[test]
    fn who_was_at_the_end_a_look_ago_has_had_no_time() {
        let mut window = Window::default();
        let settings = every(30, 5);
        let mut look = |at, lag| window.look(Duration::from_secs(at), (7, lag), false, &settings);
        assert_eq!(look(10, 0), Some(Verdict::Ok));
        assert_eq!((look(9000, 40), look(9030, 40)), (Some(Verdict::Ok), Some(Verdict::Stop)));
    }
    #[test]
    fn how_often_one_looks_makes_no_verdict() {
        // Somebody who commits once a minute, and is never at the end.
        let settings = every(60, 5);
        for step in [1, 5, 20, 30, 60] {
            let mut window = Window::default();
            let said = (0..3600 / step).map(|look| {
                let (at, committed) = (look * step, i64::try_from(look * step / 60 * 100).expect("small"));
                window.look(Duration::from_secs(at), (committed, 7), true, &settings)
            });
            let bad: Vec<_> = said.flatten().filter(|said| *said != Verdict::Ok).collect();
            assert_eq!(bad, [], "every {step} s");
            assert!(window.samples.len() == WINDOW && window.samples.capacity() == WINDOW);
        }
    }

    #[test]
    fn who_goes_back_between_two_samples_is_seen_to() {
        let (mut window, settings) = (Window::default(), every(60, 5));
        let said = [(0, 50), (5, 20), (10, 25)]
            .map(|(at, committed)| window.look(Duration::from_secs(at), (committed, 7), true, &settings));
        assert_eq!(said, [None, Some(Verdict::Rewind), Some(Verdict::Rewind)]);
    }
}
