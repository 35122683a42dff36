//! Whether this process ran: a thread that does nothing but read the clock.
//!
//! The ledger's thread may be held up alone, for example by a log line that cannot be written. The other threads run
//! meanwhile and take their instants in time, so everything that they measured is right. The process stalled only in
//! the time in which neither the ledger's thread nor the watching thread ran.

use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::period::Period;
use crate::sync::lock;

/// The time between two readings of the clock.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// A longer time between two readings is a stall. What was in flight meanwhile was not measured.
pub(super) const STALL: Duration = Duration::from_millis(100);

/// The number of pauses that are kept.
const PAUSES_KEPT: usize = 1000;

/// The watch of the process. Its thread ends with the process.
static WATCH: LazyLock<Arc<StallWatch>> = LazyLock::new(|| {
    let watch = Arc::new(StallWatch::new(Instant::now()));
    let running = watch.clone();
    let started = thread::Builder::new().name("stall-watch".to_owned()).spawn(move || running.run());
    if let Err(error) = started {
        tracing::warn!("the thread that watches for stalls cannot start: {error}");
    }
    watch
});

/// The last run of the watching thread, and its pauses.
#[derive(Debug)]
pub(in crate::probe) struct StallWatch(Mutex<Readings>);

#[derive(Debug)]
struct Readings {
    /// The instant of the last reading.
    last: Instant,
    /// The pauses that were longer than [`STALL`], the oldest first.
    pauses: VecDeque<Period>,
}

impl StallWatch {
    /// The watch of this process. The first call starts its thread.
    pub(in crate::probe) fn of_process() -> Arc<Self> {
        WATCH.clone()
    }

    fn new(now: Instant) -> Self {
        Self(Mutex::new(Readings { last: now, pauses: VecDeque::new() }))
    }

    fn run(&self) {
        loop {
            thread::park_timeout(TICK);
            self.tick(Instant::now());
        }
    }

    /// Notes one reading of the clock.
    fn tick(&self, now: Instant) {
        let mut readings = lock(&self.0);
        if now - readings.last > STALL {
            let pause = Period { from: readings.last, to: now };
            readings.pauses.push_back(pause);
            if readings.pauses.len() > PAUSES_KEPT {
                readings.pauses.pop_front();
            }
        }
        readings.last = now;
    }

    /// The stalls of the process between two instants at which another thread ran. `to` is now.
    pub(in crate::probe) fn stalls(&self, from: Instant, to: Instant) -> Vec<Period> {
        let readings = lock(&self.0);
        // The watching thread has not run since its last reading.
        let pauses = readings.pauses.iter().copied().chain([Period { from: readings.last, to }]);
        let common = pauses.map(|pause| Period { from: pause.from.max(from), to: pause.to.min(to) });
        common.filter(|stall| stall.duration() > STALL).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stall_is_the_time_in_which_neither_thread_ran() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let watch = StallWatch::new(begin);
        let stalls = |from, to| -> Vec<_> {
            watch.stalls(at(from), at(to)).iter().map(|stall| (stall.from, stall.to)).collect()
        };
        for ms in [10, 20, 520, 530, 540] {
            watch.tick(at(ms));
        }
        assert_eq!(stalls(15, 545), [(at(20), at(520))], "both threads were held up");
        assert_eq!(
            stalls(300, 545),
            [(at(300), at(520))],
            "only the time in which both threads were held up"
        );
        assert_eq!(stalls(450, 545), [], "70 ms in common are shorter than a stall");
        assert_eq!(stalls(520, 560), [], "only the other thread was held up");
        assert_eq!(stalls(530, 900), [(at(540), at(900))], "the watching thread has not run since 540 ms");
    }

    #[test]
    fn watching_thread_of_the_process_runs() {
        let watch = StallWatch::of_process();
        let last = || watch.0.lock().expect("no thread panicked").last;
        let (begun, end) = (last(), Instant::now() + Duration::from_secs(30));
        while last() <= begun {
            assert!(Instant::now() < end, "the thread does not run");
            thread::park_timeout(TICK);
        }
    }
}
