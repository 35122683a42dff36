//! How far the counts of heartbeats moved within the last half minute.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    config,
    probe::heartbeat::{self, Outcome},
};

/// The state follows the heartbeats of this window, or of a longer window where heartbeats are rare.
const LEAST_WINDOW: Duration = Duration::from_secs(30);

/// The counts of the last half minute, or of three heartbeats where heartbeats are rare.
pub(super) struct Window {
    length: Duration,
    /// The counts of each judgement, the oldest first. The oldest is at least as old as the window, if there is one that old.
    marks: VecDeque<(Instant, Change)>,
}

/// How far the counts of heartbeats moved within a window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    /// The length of the window.
    pub(super) length: Duration,
    /// The number of heartbeats that were judged.
    pub(super) events: u64,
    /// The number of heartbeats that were judged bad.
    pub(super) bad: u64,
    /// The number of acknowledged heartbeats that were lost.
    pub(super) lost: u64,
}

impl Window {
    /// An empty window for heartbeats of these settings.
    pub(super) fn new(settings: &config::Heartbeat) -> Self {
        Self { length: LEAST_WINDOW.max(3 * settings.interval), marks: VecDeque::new() }
    }

    /// Adds the counts of a snapshot.
    pub(super) fn add(&mut self, heartbeat: &heartbeat::Snapshot) {
        let heartbeat::Snapshot { at, events, bad_events: bad, totals, .. } = *heartbeat;
        let lost = totals.of(Outcome::Lost);
        self.marks.push_back((at, Change { length: self.length, events, bad, lost }));
        let old = |(begin, _): &(Instant, Change)| at.saturating_duration_since(*begin) >= self.length;
        while self.marks.len() > 2 && self.marks.get(1).is_some_and(old) {
            self.marks.pop_front();
        }
    }

    /// How far the counts moved from the beginning of the window to the last snapshot.
    pub(super) fn change(&self) -> Change {
        let (Some((_, before)), Some((_, now))) = (self.marks.front(), self.marks.back()) else {
            return Change::default();
        };
        Change {
            length: self.length,
            events: now.events - before.events,
            bad: now.bad - before.bad,
            lost: now.lost - before.lost,
        }
    }

    /// The length of the window.
    pub(super) fn length(&self) -> Duration {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_of_rare_heartbeats_holds_three_of_them() {
        let interval = config::FlagSetting {
            section: "heartbeat",
            key: "interval".to_owned(),
            value: "1m".to_owned(),
            flag: "test",
        };
        let config = config::load(&config::Sources {
            bootstrap: Some("b:1".to_owned()),
            settings: vec![interval],
            ..Default::default()
        });
        let settings = config.expect("valid").clusters.remove(0).heartbeat;
        assert_eq!(Window::new(&settings).length, Duration::from_secs(180));
    }
}
