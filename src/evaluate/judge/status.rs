//! Whether a group is alive on a topic. Pure: samples in, transitions out.
//!
//! A group is offline when, sample after sample, none of its partitions moved though there was something to read; it
//! recovers when one of them moves on, and is online again when it has caught up and kept up for a while. What could
//! not be read changes nothing.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::moment::Moment;
use crate::{config::History, evaluate::lag::Lag};

/// Whether a group reads a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It does, or there is nothing to read.
    #[default]
    Online,
    /// It does not, though there is something to read.
    Offline,
    /// It does again, and has not caught up, or only just.
    Recovering,
}

impl Status {
    /// Every status, in the order of the labels.
    pub const ALL: [Status; 3] = [Status::Online, Status::Offline, Status::Recovering];

    /// The status as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Online => "online",
            Status::Offline => "offline",
            Status::Recovering => "recovering",
        }
    }

    /// What [`Status::as_str`] says.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// What is remembered of a group and a topic.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Life {
    pub(crate) status: Status,
    /// Since when it has had that status.
    pub(crate) since: Moment,
    /// When a partition was last seen to move on.
    pub(crate) advanced: Option<SystemTime>,
    /// Samples in a row in which nothing moved and something was left to read.
    pub(crate) still: u32,
    /// When the last of them was taken.
    pub(crate) counted: Duration,
    /// The last commits that could be read.
    pub(crate) committed: BTreeMap<i32, i64>,
}

/// A look at a group and a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// What was committed, and how far that is from the end.
    pub(crate) lags: &'a BTreeMap<i32, Lag>,
    /// Every commit could be read.
    pub(crate) whole: bool,
}

impl Life {
    /// Begins with a first look.
    pub(crate) fn begin(at: Moment) -> Self {
        Self { since: at, counted: at.own, ..Self::default() }
    }

    /// Takes a look in; tells what it was before, if it has changed.
    pub(crate) fn look(&mut self, look: Look<'_>, at: Moment, settings: &History) -> Option<Status> {
        let now = at.own;
        let (mut advanced, mut moved) = (false, self.committed.is_empty());
        for (number, lag) in look.lags {
            let before = self.committed.insert(*number, lag.committed);
            advanced |= before.is_some_and(|before| lag.committed > before);
            moved |= before != Some(lag.committed);
        }
        if look.whole {
            self.committed.retain(|number, _| look.lags.contains_key(number));
        }
        if advanced {
            self.advanced = Some(at.wall);
        }
        let is_unknown = |lag: &Lag| lag.records.is_none() && !lag.beyond_end;
        let whole = look.whole && !look.lags.values().any(is_unknown);
        let lagging = look.lags.values().any(|lag| lag.unread() > Some(0));
        // A little early is in time: looks do not come to the millisecond.
        let due = now.saturating_sub(self.counted) >= settings.sample_interval * 3 / 4;
        if moved {
            (self.still, self.counted) = (u32::from(lagging), now);
        } else if whole && !lagging {
            self.still = 0;
        } else if whole && due {
            (self.still, self.counted) = (self.still + 1, now);
        }
        let age = |lag: &Lag| lag.time.map(|time| time.age);
        let near =
            || look.lags.values().all(|lag| age(lag).is_some_and(|age| age < settings.online_lag_threshold));
        let next = match self.status {
            Status::Offline if advanced => Status::Recovering,
            Status::Online | Status::Recovering
                if self.still >= settings.offline_detection_consecutive_samples =>
            {
                Status::Offline
            }
            // Who has read everything moves no more, and is as good as one who moves.
            Status::Recovering
                if (advanced || !lagging)
                    && whole
                    && near()
                    && now.saturating_sub(self.since.own) >= settings.recovering_minimum_duration =>
            {
                Status::Online
            }
            status => status,
        };
        self.turn(next, at)
    }

    /// The group is not there any more.
    pub(crate) fn gone(&mut self, at: Moment) -> Option<Status> {
        self.turn(Status::Offline, at)
    }

    fn turn(&mut self, next: Status, at: Moment) -> Option<Status> {
        if next == self.status {
            return None;
        }
        self.since = at;
        Some(std::mem::replace(&mut self.status, next))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cluster::Ends,
        collect::time_lag::{Method, TimeLag},
        evaluate::lag::lag,
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn settings() -> History {
        History {
            path: None,
            sample_interval: MINUTE,
            offline_detection_consecutive_samples: 5,
            recovering_minimum_duration: Duration::from_secs(900),
            online_lag_threshold: Duration::from_secs(600),
            absent_group_retention: Duration::from_secs(604_800),
            absent_group_limit: 1000,
        }
    }

    fn at(own: Duration) -> Moment {
        Moment { own, wall: UNIX_EPOCH + own }
    }

    /// Partitions as (commit, end), each a record a second.
    fn lags(partitions: &[(i64, i64)]) -> BTreeMap<i32, Lag> {
        let one = |(committed, end): &(i64, i64)| {
            let mut found = lag(*committed, Ends { start: Some(0), end: Some(*end) }, false);
            let age = |records: i64| Duration::from_secs(u64::try_from(records).unwrap_or(0));
            found.time = found.records.map(|n| TimeLag { age: age(n), error: None, method: Method::History });
            found
        };
        (0..).zip(partitions.iter().map(one)).collect()
    }

    /// The statuses after each minute's look.
    fn lived<L: AsRef<[(i64, i64)]>>(looks: &[L]) -> Vec<Status> {
        let mut life = Life::begin(Moment::default());
        let statuses = looks.iter().zip(0..).map(|(look, minute)| {
            life.look(Look { lags: &lags(look.as_ref()), whole: true }, at(minute * MINUTE), &settings());
            life.status
        });
        statuses.collect()
    }

    use Status::{Offline, Online, Recovering};

    #[test]
    fn five_samples_without_a_move_are_offline_and_not_nine() {
        assert_eq!(lived(&[[(10, 20)]; 6]), [Online, Online, Online, Online, Offline, Offline]);
    }

    #[test]
    fn who_has_nothing_to_read_is_online_and_episodes_do_not_add_up() {
        assert_eq!(lived(&[[(20, 20)]; 9]), [Online; 9]);
        // Four still samples, then read, again and again.
        let mut looks: Vec<Vec<(i64, i64)>> = Vec::new();
        for round in 0..4 {
            looks.extend(vec![vec![(10 * round, 10 * round + 10)]; 4]);
            looks.push(vec![(10 * round + 10, 10 * round + 10)]);
        }
        assert!(lived(&looks).iter().all(|status| *status == Online));
    }

    #[test]
    fn what_cannot_be_read_is_nothing_to_read() {
        // Only markers are left of one log, and nothing at all of the other.
        let mut left = lags(&[(10, 11), (10, 20)]);
        let nothing = TimeLag { age: Duration::ZERO, error: Some(Duration::ZERO), method: Method::Current };
        left.get_mut(&0).expect("a lag").time = Some(nothing);
        left.get_mut(&1).expect("a lag").lost = Some(10);
        let mut life = Life::begin(Moment::default());
        for minute in 0..9 {
            life.look(Look { lags: &left, whole: true }, at(minute * MINUTE), &settings());
        }
        assert_eq!((life.status, life.still), (Online, 0));
    }

    #[test]
    fn a_partition_that_is_read_to_its_end_hides_none_that_is_stuck_in_either_order() {
        for stuck in [[(10, 20), (30, 30)], [(30, 30), (10, 20)]] {
            assert_eq!(lived(&[stuck; 6])[4..], [Offline, Offline]);
        }
    }

    #[test]
    fn one_that_moves_is_enough_to_be_alive() {
        let looks: Vec<[(i64, i64); 2]> = (0..9).map(|minute| [(10, 20), (minute, 100)]).collect();
        assert_eq!(lived(&looks), [Online; 9]);
    }

    #[test]
    fn who_comes_back_recovers_for_a_while() {
        let mut looks: Vec<Vec<(i64, i64)>> = vec![vec![(100, 2000)]; 5];
        // It reads a hundred records a minute; from 1400 on it is nearer than ten minutes.
        looks.extend((1..=19).map(|minute| vec![(100 + 100 * minute, 2000)]));
        looks.extend(vec![vec![(2000, 2000)]; 3]);
        let lived = lived(&looks);
        assert_eq!((lived[4], lived[5]), (Offline, Recovering));
        let online = lived.iter().skip(5).position(|status| *status == Online);
        assert_eq!(online, Some(15), "fifteen minutes, though it is near after fourteen");
    }

    #[test]
    fn who_has_recovered_and_finds_nothing_more_to_read_is_online_in_time() {
        let mut looks: Vec<&[(i64, i64)]> = vec![&[(10, 20)]; 5];
        looks.extend(vec![&[(20i64, 20i64)][..]; 17]);
        let lived = lived(&looks);
        assert_eq!((lived[5], lived[19], lived[20]), (Recovering, Recovering, Online));
    }

    #[test]
    fn an_operator_who_sets_it_back_does_not_bring_it_to_life() {
        let mut looks: Vec<&[(i64, i64)]> = vec![&[(10, 20)]; 5];
        looks.extend([&[(0i64, 20i64)][..], &[(0, 20)]]);
        assert_eq!(lived(&looks)[5..], [Offline, Offline]);
    }

    #[test]
    fn what_could_not_be_read_changes_nothing() {
        let (mut life, stuck) = (Life::begin(Moment::default()), lags(&[(10, 20)]));
        let unknown = lags(&[(10, 20)]).into_values().map(|lag| Lag { records: None, ..lag });
        let unknown: BTreeMap<_, _> = (0..).zip(unknown).collect();
        life.look(Look { lags: &stuck, whole: true }, at(Duration::ZERO), &settings());
        for minute in 1..100 {
            life.look(Look { lags: &stuck, whole: false }, at(minute * MINUTE), &settings());
            life.look(Look { lags: &unknown, whole: true }, at(minute * MINUTE), &settings());
            life.look(Look { lags: &BTreeMap::new(), whole: false }, at(minute * MINUTE), &settings());
        }
        assert_eq!((life.status, life.still), (Online, 1));
    }

    #[test]
    fn looks_that_come_more_often_than_samples_are_not_samples() {
        let (mut life, stuck) = (Life::begin(Moment::default()), lags(&[(10, 20)]));
        let offline = (0..100).find(|look| {
            life.look(Look { lags: &stuck, whole: true }, at(*look * MINUTE / 6), &settings());
            life.status == Offline
        });
        assert!(offline.is_some_and(|look| (18..=24).contains(&look)), "{offline:?}");
    }

    /// The whole story kept, and judged anew each time.
    #[derive(Default)]
    struct Model {
        looks: Vec<[(i64, i64); 2]>,
        status: Status,
        since: usize,
    }

    impl Model {
        fn look(&mut self, look: [(i64, i64); 2]) -> Status {
            self.looks.push(look);
            let now = self.looks.len() - 1;
            let before = now.checked_sub(1).map(|before| self.looks[before]);
            let advanced =
                before.is_some_and(|before| look.iter().zip(before).any(|(now, before)| now.0 > before.0));
            let commits = |look: &[(i64, i64); 2]| look.map(|(committed, _)| committed);
            let lagging = |look: &[(i64, i64); 2]| look.iter().any(|(committed, end)| committed < end);
            let still = self.looks.len() >= 5
                && self.looks[now - 4..].iter().all(|one| commits(one) == commits(&look) && lagging(one));
            let near = look.iter().all(|(committed, end)| end - committed < 600);
            let next = match self.status {
                Offline if advanced => Recovering,
                Online | Recovering if still => Offline,
                Recovering if (advanced || !lagging(&look)) && near && now - self.since >= 15 => Online,
                status => status,
            };
            if next != self.status {
                (self.status, self.since) = (next, now);
            }
            next
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_whole_story_says(
            steps in prop::collection::vec((0..4u8, 0..4u8, 0i64..400, 0i64..400), 1..200),
        ) {
            let (mut model, mut life) = (Model::default(), Life::begin(Moment::default()));
            let mut look = [(0, 500), (0, 500)];
            for (minute, (first, second, read, written)) in (0..).zip(steps) {
                for (place, what) in [first, second].into_iter().enumerate() {
                    let (committed, end) = &mut look[place];
                    match what {
                        0 => *committed = (*committed + read).min(*end),
                        1 => *end += written,
                        2 => *committed = *end,
                        _ => {}
                    }
                }
                life.look(Look { lags: &lags(&look), whole: true }, at(minute * MINUTE), &settings());
                prop_assert_eq!(life.status, model.look(look), "minute {}", minute);
            }
        }
    }
}
