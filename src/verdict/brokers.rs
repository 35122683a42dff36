//! Brokers that left the metadata without notice.
//!
//! A broker that dies disappears from the metadata, and with it every check of that broker. It stays a reason until as
//! many brokers are back as the operator expects or, without the operator's figure, as were seen over the last day. A
//! broker counts as seen only if two consecutive metadata answers contain it: one odd answer is not believed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use crate::{kafka::BrokerId, text::list};

/// Brokers are remembered for so long.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

/// The largest number of brokers is kept for each piece of the memory: 25 numbers at most.
const PIECE: Duration = Duration::from_secs(3600);

/// So many brokers are remembered by id.
const REMEMBERED: usize = 1000;

/// The brokers of the last day.
pub(super) struct Brokers {
    /// `[metadata] expected.brokers`; absent where the service goes by what it has seen.
    expected: Option<usize>,
    /// The last metadata answer: when it came, and the brokers in it.
    last: Option<(Instant, BTreeSet<BrokerId>)>,
    /// (beginning of the piece, largest number of brokers in it), the oldest first.
    most: VecDeque<(Instant, usize)>,
    /// When each broker was last in two consecutive metadata answers.
    seen: BTreeMap<BrokerId, Instant>,
}

impl Brokers {
    pub(super) fn new(expected: Option<usize>) -> Self {
        Self { expected, last: None, most: VecDeque::new(), seen: BTreeMap::new() }
    }

    /// Remembers the brokers of the metadata answer that came at `answered`; returns the reason if some are missing.
    pub(super) fn see(&mut self, present: &BTreeSet<BrokerId>, answered: Instant) -> Option<String> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != answered) {
            self.learn(present, answered);
        }
        let most = self.most.iter().map(|(_, most)| *most).max().unwrap_or_default();
        let (expected, source) = match self.expected {
            Some(expected) => (expected, "are expected"),
            None => (most, "were seen within the last day"),
        };
        let missing = expected.checked_sub(present.len()).filter(|missing| *missing > 0)?;
        let mut absent: Vec<_> = self.seen.iter().filter(|(broker, _)| !present.contains(*broker)).collect();
        absent.sort_by_key(|(_, at)| std::cmp::Reverse(**at));
        let names: Vec<_> = absent.iter().take(missing).map(|(broker, _)| **broker).collect();
        let names = list("broker", &names).map(|names| format!("; missing: {names}"));
        let names = names.unwrap_or_default();
        Some(format!("the metadata contain {} of {expected} brokers that {source}{names}", present.len()))
    }

    /// Remembers the brokers that this answer and the one before contain.
    fn learn(&mut self, present: &BTreeSet<BrokerId>, now: Instant) {
        let before = self.last.replace((now, present.clone()));
        let before = before.map(|(_, brokers)| brokers).unwrap_or_default();
        let confirmed: BTreeSet<BrokerId> = present.intersection(&before).copied().collect();
        while self.most.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > MEMORY) {
            self.most.pop_front();
        }
        match self.most.back_mut() {
            Some((at, most)) if now.saturating_duration_since(*at) < PIECE => {
                *most = confirmed.len().max(*most)
            }
            _ => self.most.push_back((now, confirmed.len())),
        }
        self.seen.retain(|_, at| now.saturating_duration_since(*at) <= MEMORY);
        self.seen.extend(confirmed.iter().take(REMEMBERED).map(|broker| (*broker, now)));
        if self.seen.len() > REMEMBERED {
            self.seen.retain(|_, at| *at == now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn ids(ids: &[i32]) -> BTreeSet<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn two_left(named: &str) -> Option<String> {
        Some(format!(
            "the metadata contain 2 of 3 brokers that were seen within the last day; missing: broker {named}"
        ))
    }

    /// Gives each set of brokers in two consecutive answers, the second one second later; returns the second reason.
    fn twice(brokers: &mut Brokers, present: &[i32], at: Instant) -> Option<String> {
        brokers.see(&ids(present), at);
        brokers.see(&ids(present), at + Duration::from_secs(1))
    }

    #[test]
    fn broker_that_left_is_named_until_as_many_are_back() {
        let (mut brokers, begin) = (Brokers::new(None), Instant::now());
        let mut see = |present: &[i32], hours: u32| twice(&mut brokers, present, begin + HOUR * hours);
        assert_eq!(see(&[1, 2, 3], 0), None);
        assert_eq!(see(&[1, 2], 1), two_left("3"));
        assert_eq!(see(&[1, 2], 22), two_left("3"), "broker 3 is still expected after 21 hours");
        assert_eq!(see(&[1, 2, 3], 23), None, "broker 3 is back");
        assert_eq!(see(&[1, 3], 24), two_left("2"));
        assert_eq!(see(&[1, 3, 4], 25), None, "another broker took its place");
        assert_eq!(see(&[1, 3], 26), two_left("4"), "the missing broker that was seen last");
        assert_eq!(see(&[1, 3], 51), None, "three brokers were not seen for a day");
        assert!(brokers.most.len() <= 25 && brokers.seen.len() == 2);
    }

    #[test]
    fn broker_in_a_single_answer_is_not_expected() {
        let (mut brokers, begin) = (Brokers::new(None), Instant::now());
        let odd: Vec<i32> = (1..=30).collect();
        let answers: [&[i32]; 6] = [&odd, &[1, 2, 3], &[1, 2, 3], &odd, &[1, 2, 3], &[1, 2, 3]];
        for (number, answer) in (0..).zip(answers) {
            let answered = begin + Duration::from_secs(15 * number);
            // The verdict reads one answer many times, which does not make it two answers.
            for _ in 0..15 {
                assert_eq!(brokers.see(&ids(answer), answered), None, "answer {number}");
            }
        }
        let answered = begin + Duration::from_secs(100);
        assert_eq!(
            brokers.see(&ids(&[1, 2]), answered),
            two_left("3"),
            "three brokers were confirmed by two answers"
        );
    }

    #[test]
    fn broker_added_to_the_cluster_is_missed_after_two_answers() {
        let (mut brokers, begin) = (Brokers::new(None), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(twice(&mut brokers, &[1, 2], at(0)), None);
        assert_eq!(twice(&mut brokers, &[1, 2, 3], at(15)), None);
        assert_eq!(brokers.see(&ids(&[1, 2]), at(30)), two_left("3"));
    }

    #[test]
    fn rolling_restart_ends_without_a_reason() {
        let (mut brokers, begin) = (Brokers::new(None), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(twice(&mut brokers, &[1, 2, 3], at(0)), None);
        for (present, seconds) in [([2, 3], 15), ([1, 3], 45), ([1, 2], 75)] {
            assert!(brokers.see(&ids(&present), at(seconds)).is_some(), "{present:?}");
            assert_eq!(brokers.see(&ids(&[1, 2, 3]), at(seconds + 15)), None);
        }
    }

    #[test]
    fn configured_number_of_brokers_wins_over_the_number_that_was_seen() {
        let (mut brokers, now) = (Brokers::new(Some(2)), Instant::now());
        assert_eq!(twice(&mut brokers, &[1, 2, 3], now), None);
        let later = now + Duration::from_secs(15);
        assert_eq!(twice(&mut brokers, &[1, 2], later), None, "the cluster was made smaller");
        let reason = brokers.see(&ids(&[1]), now + HOUR).expect("one is missing");
        assert_eq!(reason, "the metadata contain 1 of 2 brokers that are expected; missing: broker 2");
        let reason = Brokers::new(Some(3)).see(&ids(&[1, 2]), now).expect("it never came");
        assert_eq!(reason, "the metadata contain 2 of 3 brokers that are expected");
    }

    #[test]
    fn memory_of_brokers_is_bounded() {
        let (mut brokers, now) = (Brokers::new(None), Instant::now());
        for begin in 0..10 {
            let many: Vec<i32> = (begin * 2_000..(begin + 1) * 2_000).collect();
            twice(&mut brokers, &many, now + HOUR / 100 * begin as u32);
        }
        assert!((1..=REMEMBERED).contains(&brokers.seen.len()), "{}", brokers.seen.len());
    }
}
