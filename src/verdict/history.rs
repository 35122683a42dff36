//! The last sessions with one broker: how often they failed, and how long they usually take.

use std::time::{Duration, SystemTime};

use crate::{
    diagnosis::Session,
    kafka::{Fault, Stage},
    probe::usual::Usual,
};

/// So many slow sessions in a row mean that the broker is slow.
const SLOW_RUN: u32 = 3;

/// A broker that fails and is planned to leave is not in the metadata any more after this time.
const LEAVES: Duration = Duration::from_millis(1500);

/// A broker that the controller does not hear is not an in-sync replica any more after this time. The default of
/// `broker.session.timeout.ms` is 9 s.
const FENCED: Duration = Duration::from_secs(20);

/// How a session ended: the sum of its stages, or the stage that failed and the kind of the failure.
pub(super) type Ended = Result<Duration, (Stage, Fault)>;

/// The last sessions with one broker.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The end of the last session.
    at: Option<SystemTime>,
    /// The end of the first session that was opened after a failure, or of the first of all.
    opened: Option<SystemTime>,
    /// The stage and the kind of the last failure, the number of failures in a row, and the end of the first of them.
    failed: Option<(Stage, Fault, u32, SystemTime)>,
    /// How long a session usually takes.
    usual: Usual,
    /// The number of slow sessions in a row, and the duration of the last of them.
    slow: (u32, Duration),
}

impl History {
    /// Adds a session, if it is newer than the last one. Only regular checks show how long a session usually takes: extra sessions
    /// with a slow broker would soon make its slowness usual.
    pub(super) fn add(&mut self, at: SystemTime, ended: Ended, is_check: bool) {
        if self.at.is_some_and(|last| last >= at) {
            return;
        }
        self.at = Some(at);
        match ended {
            Ok(took) => {
                self.failed = None;
                self.opened.get_or_insert(at);
                let is_slow = if is_check { self.usual.learn(took) } else { self.usual.is_slow(took) };
                self.slow = if is_slow { (self.slow.0 + 1, took) } else { (0, took) };
            }
            Err((stage, fault)) => {
                let (times, since) = self.failed.map_or((0, at), |(_, _, times, since)| (times, since));
                self.failed = Some((stage, fault, times + 1, since));
                self.opened = None;
                self.slow.0 = 0;
            }
        }
    }

    /// Forgets what ended before `at`, because the broker is not in the metadata. How long a session usually takes stays.
    pub(super) fn left(&mut self, at: SystemTime) {
        let usual = std::mem::take(&mut self.usual);
        *self = Self { at: Some(at), usual, ..Self::default() };
    }

    /// The end of the last session, since when sessions have been opened, and the number of sessions that failed one after the
    /// other. `None` before the first one.
    pub(super) fn last(&self) -> Option<(SystemTime, Option<SystemTime>, u32)> {
        self.at.map(|at| (at, self.opened, self.failed.map_or(0, |(_, _, times, _)| times)))
    }

    /// The sessions for the diagnosis. `listed` is when the metadata last listed the broker, and `in_sync` when they last listed
    /// it as an in-sync replica. Sessions that ended before `oldest` are too old.
    pub(super) fn session(
        &self,
        listed: Option<SystemTime>,
        in_sync: Option<SystemTime>,
        oldest: SystemTime,
    ) -> Session {
        let Some(at) = self.at.filter(|at| *at >= oldest) else { return Session::Unknown };
        let Some((stage, fault, times, since)) = self.failed else {
            let (slow, took) = self.slow;
            let slow = (slow >= SLOW_RUN).then(|| (took, self.usual.median()));
            return match self.opened {
                Some(since) => Session::Open { at, since, slow },
                None => Session::Unknown,
            };
        };
        let after = |seen: Option<SystemTime>, time: Duration| {
            at >= since + time && seen.is_some_and(|seen| seen >= since + time)
        };
        Session::Failed {
            stage,
            fault,
            times,
            since,
            last: at,
            listed: after(listed, LEAVES),
            in_sync: after(in_sync, FENCED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(5);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn broker_is_slow_after_three_sessions_that_take_far_longer_than_usual() {
        let mut history = History::default();
        let session = |history: &History| history.session(None, None, at(0));
        (0..5).for_each(|second| history.add(at(second), Ok(TOOK), true));
        let slow = Duration::from_millis(105);
        for second in [5, 6] {
            history.add(at(second), Ok(slow), true);
            assert_eq!(
                session(&history),
                Session::Open { at: at(second), since: at(0), slow: None },
                "two slow sessions are no evidence"
            );
        }
        history.add(at(7), Ok(slow), true);
        assert!(matches!(session(&history), Session::Open { slow: Some((took, _)), .. } if took == slow));
        history.add(at(8), Ok(TOOK), true);
        assert_eq!(session(&history), Session::Open { at: at(8), since: at(0), slow: None });
    }

    #[test]
    fn failed_broker_is_not_planned_to_leave_if_the_metadata_list_it_long_after() {
        let mut history = History::default();
        history.add(at(10), Err((Stage::Tcp, Fault::Refused)), true);
        history.add(at(30), Err((Stage::Tcp, Fault::Refused)), true);
        history.add(at(9), Ok(TOOK), true);
        let of = |history: &History, listed: u64, synced: u64| match history.session(
            Some(at(listed)),
            Some(at(synced)),
            at(0),
        ) {
            Session::Failed { listed, in_sync, .. } => (listed, in_sync),
            other => panic!("{other:?}"),
        };
        let failed = |listed, synced| of(&history, listed, synced);
        assert_eq!(failed(11, 11), (false, false));
        assert_eq!(failed(12, 12), (true, false));
        assert_eq!(failed(40, 40), (true, true));
        assert_eq!(history.session(None, None, at(31)), Session::Unknown, "the sessions are too old");
        let mut once = History::default();
        once.add(at(10), Err((Stage::Tcp, Fault::Refused)), true);
        assert_eq!(of(&once, 40, 40), (false, false), "it failed once, and may have been back since");
    }

    #[test]
    fn sessions_from_before_a_broker_left_the_metadata_say_nothing_of_it_after_its_return() {
        let mut history = History::default();
        history.add(at(10), Err((Stage::Tcp, Fault::Refused)), true);
        history.left(at(12));
        history.add(at(11), Err((Stage::Tcp, Fault::Refused)), true);
        assert_eq!(history.session(Some(at(20)), None, at(0)), Session::Unknown);
        history.add(at(21), Ok(TOOK), true);
        assert_eq!(
            history.session(None, None, at(0)),
            Session::Open { at: at(21), since: at(21), slow: None }
        );
    }
}
