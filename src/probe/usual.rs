//! How long sessions with a broker usually take, and whether a session took far longer.
//!
//! The connectivity task and the diagnosis use the same definition of a slow session. Medians are used, because the first session
//! after a start is often a slow one.

use std::{collections::VecDeque, time::Duration};

/// So many sessions are needed before a session can be slow.
const LEAST: usize = 3;

/// So many sessions are remembered.
const MEMORY: usize = 15;

/// A slow session takes at least so much longer than usual.
const MARGIN: Duration = Duration::from_millis(30);

/// A slow session takes longer than usual by at least this many deviations. A deviation is the median distance from the median.
const DEVIATIONS: u32 = 6;

/// One of so many slow sessions is remembered. A lasting change becomes usual after about a hundred sessions.
const ONE_OF: u32 = 12;

/// The usual duration of sessions with one broker.
#[derive(Debug, Clone, Default)]
pub struct Usual {
    last: VecDeque<Duration>,
    /// The number of slow sessions.
    slow: u32,
}

impl Usual {
    /// The median duration. Zero before the first session.
    pub fn median(&self) -> Duration {
        median(self.last.iter().copied())
    }

    /// Whether a session that took so long is far longer than usual.
    pub fn is_slow(&self, took: Duration) -> bool {
        let usual = self.median();
        let deviation = median(self.last.iter().map(|last| last.abs_diff(usual)));
        let margin = MARGIN.max(usual / 2).max(DEVIATIONS * deviation);
        self.last.len() >= LEAST && took > usual + margin
    }

    /// Learns how long a session took. Returns whether that is far longer than usual.
    pub fn learn(&mut self, took: Duration) -> bool {
        let is_slow = self.is_slow(took);
        self.slow = self.slow.wrapping_add(u32::from(is_slow));
        if !is_slow || self.slow.is_multiple_of(ONE_OF) {
            self.last.push_back(took);
        }
        if self.last.len() > MEMORY {
            self.last.pop_front();
        }
        is_slow
    }
}

/// The upper median. Zero for no durations.
fn median(durations: impl Iterator<Item = Duration>) -> Duration {
    let mut sorted: Vec<_> = durations.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a session is slow after these sessions, none of which is. All durations are in milliseconds.
    fn is_slow(sessions: &[u64], took: u64) -> bool {
        let mut usual = Usual::default();
        sessions.iter().for_each(|took| assert!(!usual.learn(Duration::from_millis(*took)), "{took}"));
        usual.learn(Duration::from_millis(took))
    }

    #[test]
    fn session_is_slow_if_it_takes_far_longer_than_usual_and_than_usual_deviations() {
        for (sessions, not_slow, slow) in [
            (&[5, 6, 5, 4, 5][..], 34, 36),
            (&[100, 100, 100, 100], 149, 151),
            (&[20, 30, 40, 30, 20], 89, 91),
            (&[70, 5, 5], 34, 36),
        ] {
            assert!(!is_slow(sessions, not_slow), "{sessions:?}");
            assert!(is_slow(sessions, slow), "{sessions:?}");
        }
        assert!(!is_slow(&[5, 5], 500), "two sessions show no usual duration");
    }

    #[test]
    fn lasting_change_becomes_usual_after_about_a_hundred_sessions() {
        let mut usual = Usual::default();
        (0..20).for_each(|_| _ = usual.learn(Duration::from_millis(5)));
        let slow = (0..1000).take_while(|_| usual.learn(Duration::from_millis(205))).count();
        assert!((60..140).contains(&slow), "{slow}");
    }
}
