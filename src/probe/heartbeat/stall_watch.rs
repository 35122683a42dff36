//! Did the process run? A thread that does nothing but look at the clock knows.
//!
//! The ledger's thread may be held up alone, for example by a log that nobody takes. The other threads run on then and
//! take their instants in time, so nothing that they measured is wrong. A stall of the process is what the ledger's
//! thread and this one have in common.

use crate::sync::lock;
use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Between two looks at the clock.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// A look that is later than this is a stall: what was in flight meanwhile was not measured.
pub(super) const STALL: Duration = Duration::from_millis(100);

/// So many pauses are remembered.
const REMEMBERED: usize = 1000;

/// One for the process: its thread ends with the process.
static PULSE: LazyLock<Arc<StallWatch>> = LazyLock::new(|| {
    let pulse = Arc::new(StallWatch::new(Instant::now()));
    let watched = pulse.clone();
    let started = thread::Builder::new().name("pulse".to_owned()).spawn(move || watched.run());
    if let Err(error) = started {
        tracing::warn!("the thread that watches for stalls cannot start: {error}");
    }
    pulse
});

/// When the watching thread ran last, and its pauses.
#[derive(Debug)]
pub(super) struct StallWatch(Mutex<Beats>);

#[derive(Debug)]
struct Beats {
    last: Instant,
    /// The pauses that were longer than [`STALL`], the oldest first.
    pauses: VecDeque<(Instant, Instant)>,
}

impl StallWatch {
    /// The pulse of this process.
    pub(super) fn of_process() -> Arc<Self> {
        PULSE.clone()
    }

    fn new(now: Instant) -> Self {
        Self(Mutex::new(Beats { last: now, pauses: VecDeque::new() }))
    }

    fn run(&self) {
        loop {
            thread::park_timeout(TICK);
            self.beat(Instant::now());
        }
    }

    fn beat(&self, now: Instant) {
        let mut beats = lock(&self.0);
        if now - beats.last > STALL {
            let pause = (beats.last, now);
            beats.pauses.push_back(pause);
            if beats.pauses.len() > REMEMBERED {
                beats.pauses.pop_front();
            }
        }
        beats.last = now;
    }

    /// The stalls of the process within a time in which another thread did not run, `to` being now.
    pub(super) fn stalls(&self, from: Instant, to: Instant) -> Vec<(Instant, Instant)> {
        let beats = lock(&self.0);
        // Up to now the watching thread has not run since its last look.
        let pauses = beats.pauses.iter().copied().chain([(beats.last, to)]);
        let common = pauses.map(|(begin, end)| (begin.max(from), end.min(to)));
        common.filter(|(begin, end)| end.saturating_duration_since(*begin) > STALL).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stall_of_the_process_is_what_both_threads_missed() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let pulse = StallWatch::new(begin);
        for ms in [10, 20, 520, 530, 540] {
            pulse.beat(at(ms));
        }
        assert_eq!(pulse.stalls(at(15), at(545)), [(at(20), at(520))], "both were held up");
        assert_eq!(pulse.stalls(at(300), at(545)), [(at(300), at(520))], "the part that both were held up");
        assert_eq!(pulse.stalls(at(450), at(545)), [], "70 ms in common are no stall");
        assert_eq!(pulse.stalls(at(520), at(560)), [], "only the other thread was held up");
        assert_eq!(pulse.stalls(at(530), at(900)), [(at(540), at(900))], "it has not run since either");
    }

    #[test]
    fn pulse_of_the_process_goes_on() {
        let pulse = StallWatch::of_process();
        let last = || pulse.0.lock().expect("no thread panicked").last;
        let (begun, end) = (last(), Instant::now() + Duration::from_secs(30));
        while last() <= begun {
            assert!(Instant::now() < end, "the thread does not run");
            thread::park_timeout(TICK);
        }
    }
}
