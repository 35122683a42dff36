//! What is wrong with the active controller of a cluster, found by comparing the answers about the quorum with those of before.

use std::time::{Duration, Instant};

use crate::{
    cluster::metadata,
    diagnosis::Controller,
    kafka::{Fault, admin::Quorum},
    task::Latest,
};

/// The quorum is lost if it is not known for so many metadata in a row. An election of a controller takes less time.
const SILENT: u32 = 3;

/// The active controller keeps changing if its epoch grew so often, and more often than the quorum has voters: a rolling restart
/// may change it once for each of them.
const CHANGES: u32 = 4;

/// Each of the changes comes so soon after the one before, or within one and a half intervals of the metadata if that is longer.
const SOON: Duration = Duration::from_secs(10);

/// What is remembered of the answers about the quorum.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The time of the last metadata.
    taken: Option<Instant>,
    /// The last leader and epoch that were known; `None` if the quorum never had a leader.
    last: Option<Quorum>,
    /// For how many metadata in a row requests about the quorum have not been answered.
    silent: u32,
    /// How often the epoch grew, each time soon after the change before, and the times of the first and the last change.
    changes: Option<(u32, Instant, Instant)>,
    /// The number of voters of the quorum; 0 if it was never known.
    voters: usize,
}

impl Watch {
    /// What is wrong with the active controller by the last metadata; `None` if nothing is, or if there are no metadata.
    pub(super) fn observe(&mut self, latest: &Latest<metadata::Snapshot>) -> Option<Controller> {
        let (metadata, taken) = latest.snapshot.as_ref().filter(|_| latest.failure.is_none())?;
        self.voters = self.voters.max(metadata.voters.len());
        let soon = SOON.max(3 * latest.interval / 2);
        self.learn(metadata.quorum, metadata.quorum_fault, taken.into_std(), soon);
        self.trouble(metadata.quorum_fault)
    }

    /// Takes the answer about the quorum that came with the metadata of a time. The answer is taken once.
    fn learn(&mut self, quorum: Option<Quorum>, fault: Option<Fault>, at: Instant, soon: Duration) {
        if self.taken.replace(at) == Some(at) {
            return;
        }
        self.silent = if fault == Some(Fault::Timeout) { self.silent.saturating_add(1) } else { 0 };
        let is_over = |last: Instant| at.saturating_duration_since(last) > soon;
        self.changes = self.changes.filter(|(.., last)| !is_over(*last));
        // A broker that has lost the controllers may answer with an older epoch.
        let Some(quorum) = quorum.filter(|new| self.last.is_none_or(|last| new.epoch >= last.epoch)) else {
            return;
        };
        if self.last.replace(quorum).is_some_and(|last| last.epoch < quorum.epoch) {
            let (times, first) = self.changes.map_or((0, at), |(times, first, _)| (times, first));
            self.changes = Some((times.saturating_add(1), first, at));
        }
    }

    fn trouble(&self, fault: Option<Fault>) -> Option<Controller> {
        self.last?;
        if self.silent >= SILENT || fault == Some(Fault::NoLeader) {
            return Some(Controller::Lost);
        }
        let many =
            |times: u32| times >= CHANGES && usize::try_from(times).is_ok_and(|times| times > self.voters);
        let (times, first, last) = self.changes.filter(|(times, ..)| many(*times))?;
        Some(Controller::KeepsChanging { times, within: last.saturating_duration_since(first) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::BrokerId;

    /// The trouble after answers that came so many seconds after the start.
    fn after(answers: &[(u64, Result<i32, Fault>)]) -> Option<Controller> {
        after_with(3, answers)
    }

    /// The same with so many voters.
    fn after_with(voters: usize, answers: &[(u64, Result<i32, Fault>)]) -> Option<Controller> {
        let mut watch = Watch { voters, ..Watch::default() };
        let start = Instant::now();
        let mut trouble = None;
        for (second, answer) in answers {
            let quorum = answer.ok().map(|epoch| Quorum { leader: BrokerId(epoch % 3), epoch });
            let at = start + Duration::from_secs(*second);
            watch.learn(quorum, answer.err(), at, SOON);
            // An answer is counted once, although it is looked at each second.
            watch.learn(quorum, answer.err(), at, SOON);
            trouble = watch.trouble(answer.err());
        }
        trouble
    }

    #[test]
    fn quorum_is_lost_if_brokers_say_so_or_do_not_answer_three_times() {
        assert_eq!(after(&[(0, Err(Fault::NoLeader))]), None, "it never had a leader");
        assert_eq!(after(&[(0, Ok(7)), (5, Err(Fault::NoLeader))]), Some(Controller::Lost));
        let silent =
            [(0, Ok(7)), (5, Err(Fault::Timeout)), (10, Err(Fault::Timeout)), (15, Err(Fault::Timeout))];
        assert_eq!(after(&silent[..3]), None);
        assert_eq!(after(&silent), Some(Controller::Lost));
        assert_eq!(after(&[&silent[..], &[(20, Ok(8))]].concat()), None);
    }

    #[test]
    fn controller_keeps_changing_if_its_epoch_changes_four_times_in_quick_succession() {
        let changes =
            [(0, Ok(7)), (3, Ok(9)), (6, Ok(10)), (9, Err(Fault::Timeout)), (12, Ok(11)), (15, Ok(14))];
        assert_eq!(after(&changes[..5]), None, "three changes may be a rolling restart");
        let within = Duration::from_secs(12);
        assert_eq!(after(&changes), Some(Controller::KeepsChanging { times: 4, within }));
        let calm = |second: u64| after(&[&changes[..], &[(second, Ok(14))]].concat());
        assert_eq!(calm(25), Some(Controller::KeepsChanging { times: 4, within }));
        assert_eq!(calm(26), None);
    }

    #[test]
    fn rolling_restart_of_five_controllers_and_old_epochs_are_no_trouble() {
        let restarts: Vec<_> = (0..6).map(|number| (9 * number as u64, Ok(number))).collect();
        assert_eq!(after_with(5, &restarts), None);
        assert!(after_with(3, &restarts).is_some());
        // One of three brokers has lost the controllers, and answers with the epoch of before.
        let old: Vec<_> =
            (0..20).map(|number| (number as u64, Ok(if number % 3 == 0 { 7 } else { 8 }))).collect();
        assert_eq!(after(&old), None);
    }

    #[test]
    fn elections_that_lie_far_apart_are_no_trouble() {
        let elections: Vec<_> = (0..20).map(|number| (11 * number as u64, Ok(number))).collect();
        assert_eq!(after(&elections), None);
    }
}
