//! Where the log end of a partition was at which time: from an offset to a time without a request.
//!
//! Samples of the log end are dense near now and sparse far away. While the log end does not move, only the first and the last
//! sample are kept: the next record was appended after the last one. A sample takes eight bytes, and at most [`MOST`] are kept.

use std::time::Duration;

use super::time_lag::{Method, TimeLag};

/// The largest number of samples of a partition.
pub const MOST: usize = 300;

/// The resolution of samples: a hundredth of a second.
const UNIT_MS: u128 = 10;

/// Log end offsets of one partition over time. Times count from a moment that the caller chooses.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The offset that samples count from.
    base: i64,
    /// The time that samples count from, in hundredths of a second.
    since: u64,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    /// Hundredths of a second after [`History::since`].
    at: u32,
    /// Records after [`History::base`].
    offset: u32,
}

/// Hundredths of a second.
fn units(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / UNIT_MS).unwrap_or(u64::MAX)
}

impl History {
    /// Adds a sample. A log end that is smaller than before begins a new history: the log was truncated or recreated. Returns
    /// false if the sample only extends a time without records.
    pub fn add(&mut self, at: Duration, end: i64) -> bool {
        if self.samples.is_empty() || end < self.end() {
            *self = Self { base: end, since: units(at), samples: Vec::new() };
        }
        let Sample { at, offset } = self.relative(units(at), end);
        if let [.., before, last] = self.samples.as_mut_slice()
            && before.offset == offset
            && last.offset == offset
        {
            last.at = at;
            return false;
        }
        if self.samples.len() == self.samples.capacity() {
            // A vector that doubles would end far above the largest number, and every partition has a history.
            let most = (MOST + 1).saturating_sub(self.samples.len()).max(1);
            self.samples.reserve_exact(self.samples.len().max(4).min(most));
        }
        self.samples.push(Sample { at, offset });
        if self.samples.len() > MOST {
            self.thin(at);
        }
        true
    }

    /// When the last sample was taken; absent without samples.
    pub(crate) fn last(&self) -> Option<Duration> {
        let units = self.since.checked_add(u64::from(self.samples.last()?.at))?;
        Some(Duration::from_millis(units.checked_mul(UNIT_MS as u64)?))
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The bytes for the history file: what offsets and times count from, then time and offset of each sample, all big-endian.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [self.base.to_be_bytes(), self.since.to_be_bytes()].concat();
        for Sample { at, offset } in &self.samples {
            bytes.extend(at.to_be_bytes());
            bytes.extend(offset.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`History::to_bytes`] wrote; absent if the bytes are no history.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (base, rest) = bytes.split_first_chunk::<8>()?;
        let (since, samples) = rest.split_first_chunk::<8>()?;
        let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
        let (whole, rest) = samples.as_chunks::<8>();
        let samples = whole
            .iter()
            .map(|sample| Some(Sample { at: number(&sample[..4])?, offset: number(&sample[4..])? }));
        let samples: Vec<_> = samples.collect::<Option<_>>()?;
        let ordered = samples.windows(2).all(|two| two[0].at <= two[1].at && two[0].offset <= two[1].offset);
        let (base, since) = (i64::from_be_bytes(*base), u64::from_be_bytes(*since));
        let last = samples.last().map_or(0, |last| i64::from(last.offset));
        let possible = base >= 0 && base.checked_add(last).is_some();
        // A service does not run for thousands of years.
        let sensible = ordered && possible && since < 1 << 43;
        (rest.is_empty() && sensible && samples.len() <= MOST).then_some(Self { base, since, samples })
    }

    fn end(&self) -> i64 {
        self.samples.last().map_or(self.base, |last| self.base + i64::from(last.offset))
    }

    /// The sample of a time and an offset. Samples that are four billion records or a year away are dropped: no lag reaches
    /// that far.
    fn relative(&mut self, at: u64, end: i64) -> Sample {
        loop {
            let at_most = (u32::try_from(at.saturating_sub(self.since)), u32::try_from(end - self.base));
            if let (Ok(at), Ok(offset)) = at_most {
                return Sample { at, offset };
            }
            self.samples.remove(0);
            let Some(Sample { at: later, offset: more }) = self.samples.first().copied() else {
                (self.since, self.base) = (at, end);
                continue;
            };
            (self.since, self.base) = (self.since + u64::from(later), self.base + i64::from(more));
            for sample in &mut self.samples {
                (sample.at, sample.offset) = (sample.at - later, sample.offset - more);
            }
        }
    }

    /// Drops the sample whose neighbours are closest together, measured by its age.
    fn thin(&mut self, now: u32) {
        let gap =
            |three: &[Sample]| f64::from(three[2].at - three[0].at) / f64::from(now - three[1].at).max(1.0);
        let gaps = self.samples.windows(3).map(gap).enumerate();
        if let Some((index, _)) = gaps.min_by(|(_, one), (_, other)| one.total_cmp(other)) {
            self.samples.remove(index + 1);
        }
    }

    /// How old the record at an offset is. The offset must be below the log end offset.
    ///
    /// Between two samples the log is taken to have grown evenly; the true time lies between them. A record that is older than
    /// the first sample is at least as old as that one. Absent with fewer than two samples.
    pub fn age(&self, offset: i64, now: Duration) -> Option<TimeLag> {
        let now = units(now).saturating_sub(self.since);
        let ago = |at: f64| Duration::from_secs_f64((now as f64 - at).max(0.0) * UNIT_MS as f64 / 1e3);
        let first = self.samples.first()?;
        let Ok(relative) = u32::try_from(offset - self.base) else {
            let clamped = |_| TimeLag { age: ago(f64::from(first.at)), error: None, method: Method::Clamped };
            // A single sample was taken just now: no time can be compared with it.
            return (self.samples.len() > 1).then_some(()).map(clamped);
        };
        let after = self.samples.partition_point(|sample| sample.offset <= relative);
        let (left, right) = (self.samples.get(after.checked_sub(1)?)?, self.samples.get(after)?);
        let share = f64::from(relative - left.offset) / f64::from(right.offset - left.offset);
        let width = f64::from(right.at - left.at);
        let at = f64::from(left.at) + share * width;
        let error = Duration::from_secs_f64(width * share.max(1.0 - share) * UNIT_MS as f64 / 1e3);
        Some(TimeLag { age: ago(at), error: Some(error), method: Method::History })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn history(samples: &[(u64, i64)]) -> History {
        let mut history = History::default();
        samples.iter().for_each(|(at, end)| _ = history.add(seconds(*at), *end));
        history
    }

    /// (age in seconds, error in seconds, method)
    fn age(history: &History, offset: i64, now: u64) -> Option<(f64, Option<f64>, Method)> {
        let found = history.age(offset, seconds(now))?;
        Some((found.age.as_secs_f64(), found.error.map(|error| error.as_secs_f64()), found.method))
    }

    #[test]
    fn log_grows_evenly_between_two_samples() {
        let history = history(&[(301, 200), (361, 240), (421, 260)]);
        let expected = [(220, 150.0), (241, 117.0), (250, 90.0), (259, 63.0), (240, 120.0), (200, 180.0)];
        for (offset, seconds) in expected {
            let (age, error, method) = age(&history, offset, 481).expect("a sample on each side");
            assert!((age - seconds).abs() < 1e-6 && method == Method::History, "{offset}: {age}");
            assert!(error.is_some_and(|error| (30.0..=60.0).contains(&error)), "{offset}: {error:?}");
        }
        let (older, error, method) = age(&history, 199, 481).expect("at least");
        assert_eq!((older, error, method), (180.0, None, Method::Clamped));
        assert_eq!(age(&history, 260, 481), None, "there is no record yet");
    }

    #[test]
    fn record_after_a_time_without_records_is_not_as_old_as_that_time() {
        // An hour without records, then a burst.
        let mut samples: Vec<(u64, i64)> = (0..=60).map(|minute| (minute * 60, 100)).collect();
        samples.push((3660, 200));
        let history = history(&samples);
        assert_eq!(history.len(), 3, "the two ends of the plateau, and the burst");
        let (age, error, _) = age(&history, 101, 3780).expect("between");
        assert!((age - 179.4).abs() < 0.1, "{age}");
        assert!(error.is_some_and(|error| error < 60.0));
    }

    #[test]
    fn one_sample_gives_no_age_and_a_truncated_log_begins_a_new_history() {
        let mut history = history(&[(10, 500)]);
        assert_eq!((age(&history, 400, 20), age(&history, 500, 20)), (None, None));
        assert!(history.add(seconds(40), 600) && history.add(seconds(50), 600));
        assert!(!history.add(seconds(60), 600), "the plateau continues");
        assert!(age(&history, 550, 50).is_some());
        assert!(history.add(seconds(70), 5));
        assert_eq!((history.len(), age(&history, 3, 80)), (1, None), "nothing of the old log is left");
    }

    #[test]
    fn day_fits_into_three_hundred_samples_and_recent_times_stay_exact() {
        let mut history = History::default();
        // Ten records a second, sampled every 30 s for a day.
        (0..2880).for_each(|step| _ = history.add(seconds(step * 30), step as i64 * 300));
        assert!(history.len() <= MOST && history.samples.capacity() == MOST + 1);
        let now = 2880 * 30;
        for ago in [45, 600, 3600, 10 * 3600, 20 * 3600] {
            let offset = (now - ago) as i64 * 10;
            let (age, error, method) = age(&history, offset, now).expect("within the day");
            assert_eq!(method, Method::History);
            assert!((age - ago as f64).abs() < 1.0, "{ago} s ago: {age}");
            let error = error.expect("bounded");
            assert!(error <= 30.0 + ago as f64 * 0.1, "{ago} s ago, to {error} s");
        }
    }

    #[test]
    fn stored_history_is_read_again_and_other_bytes_are_refused() {
        let history = history(&[(0, 5), (10, 5), (20, 70)]);
        let bytes = history.to_bytes();
        let again = History::from_bytes(&bytes).expect("the same");
        assert_eq!((again.base, &again.samples), (history.base, &history.samples));
        assert!(
            History::from_bytes(&bytes[..bytes.len() - 1]).is_none() && History::from_bytes(b"x").is_none()
        );
        let mut backwards = bytes.clone();
        backwards[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(History::from_bytes(&backwards).is_none(), "times must ascend");
    }

    #[test]
    fn stored_history_with_impossible_offsets_is_refused() {
        let bytes = |base: i64| [&base.to_be_bytes()[..], &[0; 8], &[0, 0, 0, 1, 0, 0, 0, 9]].concat();
        assert!(History::from_bytes(&bytes(i64::MAX - 9)).is_some());
        assert!(History::from_bytes(&bytes(i64::MAX - 8)).is_none(), "its end would be beyond all offsets");
        assert!(History::from_bytes(&bytes(-1)).is_none() && History::from_bytes(&bytes(i64::MIN)).is_none());
    }

    #[test]
    fn offsets_beyond_four_billion_are_kept_as_long_as_they_are_near_each_other() {
        let far = 1i64 << 40;
        let history = history(&[(0, far), (10, far + (1 << 31)), (20, far + (3 << 30) + (1 << 31))]);
        assert!(age(&history, far + (1 << 31) + 5, 30).is_some());
    }

    #[test]
    fn years_of_service_do_not_stop_the_clock() {
        const YEAR: u64 = 365 * 86_400;
        let mut history = history(&[(0, 0), (YEAR, 100)]);
        for later in 1..=600 {
            history.add(seconds(3 * YEAR + later * 60), 100 + later as i64);
        }
        let now = 3 * YEAR + 600 * 60;
        assert_eq!(history.last(), Some(seconds(now)));
        let (age, error, _) = age(&history, 690, now).expect("within the last minutes");
        assert!((age - 600.0).abs() < 0.1 && error.is_some_and(|error| error <= 60.0), "{age} {error:?}");
        let again = History::from_bytes(&history.to_bytes()).expect("the same");
        assert_eq!(again.last(), history.last());
    }

    proptest! {
        /// The true age lies within the error however the log grew, and the number of samples is bounded.
        #[test]
        fn true_time_lies_within_the_error(steps in prop::collection::vec((1u64..120, 0i64..1000), 2..600), pick in 0.0..1.0f64) {
            let (mut history, mut now, mut end) = (History::default(), 0u64, 0i64);
            let mut appended = Vec::new();
            _ = history.add(Duration::ZERO, 0);
            for (pause, records) in steps {
                // All records of a step are appended at one moment within the step, which no sample shows.
                let moment = now as f64 + pause as f64 * pick;
                appended.push((end, end + records, moment));
                (now, end) = (now + pause, end + records);
                _ = history.add(seconds(now), end);
            }
            prop_assert!(history.len() <= MOST);
            for (from, to, moment) in appended.into_iter().filter(|(from, to, _)| to > from) {
                for offset in [from, (from + to) / 2, to - 1] {
                    let Some((age, error, method)) = age(&history, offset, now) else { continue };
                    let truth = now as f64 - moment;
                    match (method, error) {
                        (Method::Clamped, _) => prop_assert!(truth >= age - 0.02, "{truth} {age}"),
                        (_, Some(error)) => prop_assert!((age - truth).abs() <= error + 0.02, "{truth} {age} {error}"),
                        _ => prop_assert!(false, "no error"),
                    }
                }
            }
        }
    }
}
