//! The sums of the intervals equal the counters, whatever happens between two looks.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Audit, Counts, Interval, Look, Recorder, Resolution, Timeline};
use crate::{latency::Exponential, probe::heartbeat::Outcome};

/// The beginning of a day in seconds since 1970.
const MIDNIGHT: i64 = 20_000 * 86_400;

/// Heartbeats to three partitions, one a second each, of which every seventh is late and bad on one partition.
struct Heartbeats {
    start: Instant,
    seconds: i64,
    counts: BTreeMap<i32, Counts>,
}

impl Heartbeats {
    fn start() -> Self {
        Self { start: Instant::now(), seconds: 0, counts: BTreeMap::new() }
    }

    /// The counters after these further seconds.
    fn after(&mut self, seconds: i64, written: i64) -> Look {
        for second in self.seconds..self.seconds + seconds {
            for partition in 0..3 {
                let is_bad = partition == 1 && second % 7 == 0;
                let mut outcomes = [0; Outcome::ALL.len()];
                outcomes[if is_bad { Outcome::Late } else { Outcome::Ok } as usize] = 1;
                let bucket = i32::try_from(second % 20).expect("small") - 140;
                let end_to_end = Exponential::new(0, bucket, vec![1]);
                let one = Counts { bad: u64::from(is_bad), unacknowledged: 0, outcomes, end_to_end };
                self.counts.entry(partition).or_default().add(&one);
            }
        }
        self.seconds += seconds;
        let at = self.start + Duration::from_secs(self.seconds.unsigned_abs());
        Look {
            at,
            written: Duration::from_secs(written.unsigned_abs()),
            is_measuring: true,
            partitions: self.counts.clone(),
            audit: Audit::default(),
        }
    }
}

fn sum(timeline: &Timeline, resolution: Resolution) -> Interval {
    let mut sum = Interval::default();
    timeline.between(resolution, 0, i64::MAX).for_each(|(_, interval)| sum.add(&interval));
    sum
}

#[test]
fn sums_of_all_resolutions_equal_the_counters_after_restarts() {
    let mut timeline = Timeline::default();
    let mut counted: BTreeMap<i32, Counts> = BTreeMap::new();
    // The second run begins within the last minute of the first one, and the third one on the next day.
    for (begin, seconds) in [(0, 100), (110, 2000), (86_400 - 30, 60)] {
        let mut recorder = Recorder::new(timeline);
        let mut heartbeats = Heartbeats::start();
        for second in 0..seconds {
            recorder.observe(heartbeats.after(1, MIDNIGHT + begin + second));
        }
        recorder.finish();
        for (partition, counts) in &heartbeats.counts {
            counted.entry(*partition).or_default().add(counts);
        }
        // The next run reads what this one has written. All of it is written again if the file is another one.
        recorder.save_all();
        timeline = Timeline::remember(recorder.unsaved().into_values(), []);
    }
    for resolution in Resolution::ALL {
        let sum = sum(&timeline, resolution);
        assert_eq!(sum.partitions, counted, "{}", resolution.as_str());
        assert_eq!(sum.measured, Duration::from_secs(99 + 1999 + 59));
    }
    assert_eq!(timeline.between(Resolution::Day, 0, i64::MAX).count(), 2);
    let total = sum(&timeline, Resolution::Day).total();
    assert_eq!(total.judged(), 3 * 2160);
    assert_eq!(total.good() + total.bad, total.judged());
    assert_eq!((total.bad, total.with(Outcome::Late)), (15 + 286 + 9, 15 + 286 + 9));
}

#[test]
fn time_in_which_nothing_could_be_measured_is_not_measured_and_its_judgements_are_counted() {
    let mut recorder = Recorder::default();
    let mut heartbeats = Heartbeats::start();
    recorder.observe(heartbeats.after(1, MIDNIGHT));
    recorder.observe(heartbeats.after(1, MIDNIGHT + 1));
    // The process was stopped.
    recorder.observe(heartbeats.after(20, MIDNIGHT + 21));
    // The process runs and cannot judge.
    let look = heartbeats.after(1, MIDNIGHT + 22);
    recorder.observe(Look { is_measuring: false, ..look });
    recorder.observe(heartbeats.after(2, MIDNIGHT + 24));
    assert_eq!(sum(recorder.timeline(), Resolution::Minute), Interval::default(), "the minute is not over");
    assert!(recorder.observe(heartbeats.after(36, MIDNIGHT + 60)).is_over, "the minute is over");
    let minutes: Vec<_> = recorder.timeline().between(Resolution::Minute, 0, i64::MAX).collect();
    let (begin, minute) = &minutes[0];
    assert_eq!((minutes.len(), *begin, minute.measured), (1, MIDNIGHT, Duration::from_secs(3)));
    assert_eq!(minute.total().judged(), 3 * 25);
}

#[test]
fn time_in_which_every_heartbeat_is_skipped_is_not_measured() {
    let mut recorder = Recorder::default();
    let mut heartbeats = Heartbeats::start();
    recorder.observe(heartbeats.after(1, MIDNIGHT));
    recorder.observe(heartbeats.after(1, MIDNIGHT + 1));
    for second in 2..30 {
        // A heartbeat is due every five seconds, and cannot be sent.
        if second % 5 == 2 {
            heartbeats.counts.entry(0).or_default().outcomes[Outcome::Skipped as usize] += 1;
        }
        let (at, written) =
            (heartbeats.start + Duration::from_secs(second + 1), MIDNIGHT.unsigned_abs() + second);
        let partitions = heartbeats.counts.clone();
        let written = Duration::from_secs(written);
        recorder.observe(Look { at, written, is_measuring: true, partitions, audit: Audit::default() });
    }
    heartbeats.seconds = 30;
    recorder.observe(heartbeats.after(1, MIDNIGHT + 30));
    recorder.finish();
    let minute = sum(recorder.timeline(), Resolution::Minute);
    assert_eq!(minute.measured, Duration::from_secs(2), "one second before and one after");
}

#[test]
fn counters_that_start_again_are_counted_from_zero() {
    let mut recorder = Recorder::default();
    let mut first = Heartbeats::start();
    recorder.observe(first.after(10, MIDNIGHT));
    let mut second = Heartbeats::start();
    second.start = first.start + Duration::from_secs(10);
    recorder.observe(second.after(4, MIDNIGHT + 4));
    recorder.finish();
    assert_eq!(sum(recorder.timeline(), Resolution::Day).total().judged(), 3 * 14);
}

#[test]
fn memory_keeps_a_day_of_minutes_eight_days_of_quarters_and_three_years_of_days() {
    let mut timeline = Timeline::default();
    let mut minute = Interval { measured: Duration::from_secs(60), ..Interval::default() };
    minute.partitions = Heartbeats::start().after(60, 0).partitions;
    for begin in (0..10 * 1440).map(|minute| MIDNIGHT + 60 * minute) {
        timeline.add(begin, &minute);
    }
    let counts = Resolution::ALL.map(|resolution| timeline.between(resolution, 0, i64::MAX).count());
    assert_eq!(counts, [1440, 8 * 96, 10]);
    let (_, day) = timeline.between(Resolution::Day, 0, i64::MAX).next().expect("the first day");
    assert_eq!((day.measured, day.total().judged()), (Duration::from_secs(86_400), 86_400 * 3));
    // A clock that is a year ahead for a minute replaces the oldest minute alone.
    timeline.add(MIDNIGHT + 400 * 86_400, &minute);
    timeline.add(MIDNIGHT + 10 * 86_400, &minute);
    let minutes: Vec<_> = timeline.between(Resolution::Minute, 0, i64::MAX).map(|(begin, _)| begin).collect();
    assert_eq!((minutes.len(), minutes[1438]), (1440, MIDNIGHT + 10 * 86_400));
}

#[test]
fn latency_of_an_interval_is_read_from_its_buckets() {
    let counts =
        Counts { end_to_end: Exponential::new(0, -160, vec![90, 0, 9, 0, 0, 1]), ..Counts::default() };
    let ms = |part| counts.latency(part).map(|latency| latency.as_secs_f64() * 1e3);
    let bound = |index: f64| (index / 16.0).exp2() * 1e3;
    for (part, index) in [(0.5, -160.0), (0.9, -160.0), (0.99, -158.0), (1.0, -155.0)] {
        assert!((ms(part).expect("judged") - bound(index)).abs() < 1e-6, "{part}");
    }
    assert_eq!(Counts::default().latency(0.5), None);
}
