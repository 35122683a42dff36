//! When the record at an offset was written, by a search with ListOffsets.
//!
//! A broker names the first record whose timestamp is not before a given one. Guess by guess the answers come closer to the
//! offset, for all partitions at once: one request for each round and leader. A time that was found is valid for every group with
//! that committed offset.
//!
//! The result is the newest timestamp of all records up to the offset: that of the record itself if timestamps are in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cluster::{Api, Faults, MAX_SKEW, OffsetSet, metadata},
    collect::{
        time_lag::{Method, TimeLag},
        topics,
    },
    kafka::{
        Fault, TopicPartition,
        admin::{self, FoundOffset, TimesByLeader},
        wire,
    },
};

/// Rounds of guesses in a cycle. The next cycle goes on with searches that have not ended.
const ROUNDS: usize = 16;

/// A time is exact enough within this, or within one part in [`SHARE`] of the age.
const CLOSE_MS: i64 = 1000;
const SHARE: i64 = 100;

/// Searches, by topic, partition and offset.
#[derive(Debug, Default)]
pub(crate) struct Searches {
    topics: BTreeMap<Arc<str>, SearchesByOffset>,
    /// The time of the cycle, in milliseconds since 1970.
    now_ms: i64,
}

type SearchesByOffset = BTreeMap<(i32, i64), Search>;

/// The searches of one topic.
pub(crate) struct TopicSearches<'a>(Option<&'a SearchesByOffset>);

impl TopicSearches<'_> {
    /// How old the record at an offset is; absent if the search has not ended.
    pub(crate) fn age(&self, partition: i32, offset: i64, now_ms: i64) -> Option<TimeLag> {
        let state = self.0?.get(&(partition, offset))?.state;
        let State::Found { timestamp_ms, error_ms } = state else { return None };
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let age = millis(now_ms - timestamp_ms);
        Some(TimeLag { age, error: Some(millis(error_ms)), method: Method::Search })
    }
}

/// How far a timestamp may lie in the future.
const SKEW_MS: i64 = MAX_SKEW.as_millis() as i64;

/// What is known of the time of one offset. All times in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Search {
    /// The newest known record before the offset: the record at the offset is not older. Absent until a broker has named one.
    before: Option<DatedRecord>,
    /// The record at the offset is older than this.
    until: i64,
    /// An offset after which all timestamps are at least `until`, for guessing.
    end: i64,
    guesses: u32,
    state: State,
}

/// A record that a broker named, with its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DatedRecord {
    /// The offset of the record.
    offset: i64,
    /// The timestamp of the record, in milliseconds since 1970.
    timestamp_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Searching,
    /// The timestamp of the record at the offset is known.
    Found {
        /// The timestamp, in milliseconds since 1970.
        timestamp_ms: i64,
        /// The largest error of the timestamp, in milliseconds.
        error_ms: i64,
    },
    /// The records have no timestamps, or timestamps in the future.
    Hopeless,
}

/// How far apart the two bounds of a time may be.
fn close_ms(age_ms: i64) -> i64 {
    (age_ms / SHARE).max(CLOSE_MS)
}

/// Whether an age is as exact as a search would find it.
pub(crate) fn is_close(age: TimeLag) -> bool {
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    age.error.is_some_and(|error| ms(error) <= close_ms(ms(age.age)) / 2)
}

impl Search {
    fn new(end: i64, now: i64) -> Self {
        Self { before: None, until: now + 1, end, guesses: 0, state: State::Searching }
    }

    /// The next timestamp to ask for.
    fn guess(&self, offset: i64) -> i64 {
        let Some(before) = self.before else { return 0 };
        let width = self.until - before.timestamp_ms;
        // In turns, where the offset would be in a log that grows evenly, and in the middle: neither alone is fast on every log.
        let share = if self.guesses.is_multiple_of(2) && self.end > before.offset {
            (offset - before.offset) as f64 / (self.end - before.offset) as f64
        } else {
            0.5
        };
        before.timestamp_ms + ((width as f64 * share) as i64).clamp(1, (width - 1).max(1))
    }

    /// Learns that `found` is the first record that is not older than `asked`.
    fn learn(&mut self, offset: i64, asked: i64, found: Option<FoundOffset>, now: i64) {
        if self.state != State::Searching {
            return;
        }
        self.guesses += 1;
        match found.map(|found| (found.offset, found.timestamp_ms)) {
            Some((at, Some(time))) if at <= offset && time > now + SKEW_MS => {
                self.state = State::Hopeless;
                return;
            }
            Some((at, Some(time))) if at == offset => {
                self.state = State::Found { timestamp_ms: time, error_ms: 0 };
                return;
            }
            Some((at, Some(time))) if at < offset => {
                if self.before.is_none_or(|known| time > known.timestamp_ms) {
                    self.before = Some(DatedRecord { offset: at, timestamp_ms: time });
                }
                if time >= self.until {
                    self.until = now + SKEW_MS + 1;
                }
            }
            Some((_, None)) => {
                self.state = State::Hopeless;
                return;
            }
            // No record is that young, or only records after the offset are.
            found => {
                if asked < self.until {
                    self.until = asked;
                    self.end = found.map_or(self.end, |(at, _)| at.min(self.end));
                }
            }
        }
        let Some(DatedRecord { timestamp_ms: time, .. }) = self.before else {
            if self.guesses > 1 {
                self.state = State::Hopeless;
            }
            return;
        };
        let width = self.until - time;
        if width <= close_ms(now - time) {
            let timestamp_ms = time + width.max(0) / 2;
            self.state = State::Found { timestamp_ms, error_ms: (width.max(0) + 1) / 2 };
        }
    }
}

impl Searches {
    /// The searches of a topic.
    pub(crate) fn of(&self, topic: &str) -> TopicSearches<'_> {
        TopicSearches(self.topics.get(topic))
    }

    /// Forgets a topic whose log was truncated or recreated.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// Begins a search for each offset that is wanted and has none; forgets searches that are not wanted any more.
    pub(crate) fn want(&mut self, wanted: OffsetSet, topics: &topics::WatchedTopics, now_ms: i64) {
        self.now_ms = now_ms;
        self.topics.retain(|topic, _| wanted.contains_key(topic));
        for (topic, places) in wanted {
            let Some(logs) = topics.of(&topic) else { continue };
            let known = self.topics.entry(topic).or_default();
            known.retain(|place, _| places.contains(place));
            for (partition, offset) in places {
                if let Some(end) = logs.log(partition).and_then(|log| log.ends.end) {
                    known.entry((partition, offset)).or_insert_with(|| Search::new(end, now_ms));
                }
            }
        }
    }

    /// Searches until then.
    pub(crate) async fn run(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        until: Instant,
        faults: &mut Faults,
    ) {
        let now_ms = self.now_ms;
        let mut tired = BTreeSet::new();
        for _ in 0..ROUNDS {
            let asked = self.guesses(metadata, &tired);
            if asked.is_empty() || Instant::now() > until {
                return;
            }
            let found = admin::offsets_at(wire, &asked).await;
            for (topic, partitions) in asked.into_values().flatten() {
                for (partition, time) in partitions {
                    let answer = found.get(&topic).and_then(|found| found.get(&partition)).copied();
                    match answer.unwrap_or(Err(Fault::Protocol)) {
                        Ok(found) => self.learn(&topic, partition, time, found, now_ms),
                        Err(fault) => {
                            faults.count(Api::ListOffsets, fault);
                            tired.insert(TopicPartition::new(&topic, partition));
                        }
                    }
                }
            }
        }
    }

    /// One guess for each partition with a search that has not ended: a broker answers each partition once in a request.
    fn guesses(&self, metadata: &metadata::Snapshot, tired: &BTreeSet<TopicPartition>) -> TimesByLeader {
        let mut asked = TimesByLeader::new();
        for (topic, searches) in &self.topics {
            let Some(Ok(known)) = metadata.topics.get(&**topic) else { continue };
            let mut last = None;
            let open = searches.iter().filter(|(_, search)| search.state == State::Searching);
            for ((partition, offset), search) in open {
                let leader = known.partitions.get(partition).and_then(|partition| partition.leader);
                if let Some(leader) = leader
                    && last.replace(*partition) != Some(*partition)
                    && !tired.contains(&TopicPartition::new(topic, *partition))
                {
                    let guess = (*partition, search.guess(*offset));
                    asked.entry(leader).or_default().entry(topic.clone()).or_default().push(guess);
                }
            }
        }
        asked
    }

    /// Takes in one answer, which brings every search in the partition further.
    fn learn(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        asked: i64,
        found: Option<FoundOffset>,
        now_ms: i64,
    ) {
        if let Some(searches) = self.topics.get_mut(topic) {
            for ((_, offset), search) in searches.range_mut((partition, i64::MIN)..=(partition, i64::MAX)) {
                search.learn(*offset, asked, found, now_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a broker would answer for a log with these timestamps.
    fn broker(log: &[i64], time: i64) -> Option<FoundOffset> {
        let at = log.iter().position(|timestamp| *timestamp >= time)?;
        Some(FoundOffset { offset: at as i64, timestamp_ms: Some(log[at]) })
    }

    /// The result of a search and the number of guesses.
    fn find(log: &[i64], offset: i64, now: i64) -> (State, u32) {
        let mut search = Search::new(log.len() as i64, now);
        while search.state == State::Searching && search.guesses < 200 {
            let guess = search.guess(offset);
            search.learn(offset, guess, broker(log, guess), now);
        }
        (search.state, search.guesses)
    }

    #[test]
    fn log_that_grows_evenly_takes_a_few_guesses() {
        let log: Vec<i64> = (0..100_000).map(|n| 1_000_000 + n * 100).collect();
        let now = log[99_999] + 60_000;
        for offset in [0, 1, 777, 50_000, 99_999] {
            let (state, guesses) = find(&log, offset, now);
            let State::Found { timestamp_ms: at, error_ms: error } = state else {
                panic!("{offset}: {state:?}")
            };
            assert!(
                (at - log[offset as usize]).abs() <= error + 1 && guesses <= 25,
                "{offset}: {state:?}, {guesses}"
            );
        }
    }

    #[test]
    fn log_with_an_idle_hour_and_a_burst_takes_a_few_more_guesses() {
        let log: Vec<i64> = (0..100).map(|n| n * 1000).chain((0..10_000).map(|n| 3_700_000 + n)).collect();
        for offset in [0, 50, 99, 100, 5_000] {
            let (state, guesses) = find(&log, offset, 3_800_000);
            let State::Found { timestamp_ms: at, error_ms: error } = state else {
                panic!("{offset}: {state:?}")
            };
            assert!(
                (at - log[offset as usize]).abs() <= error + 1 && guesses <= 30,
                "{offset}: {state:?}, {guesses}"
            );
        }
    }

    #[test]
    fn search_among_records_without_timestamps_is_given_up() {
        let mut search = Search::new(100, 5_000);
        search.learn(50, 0, Some(FoundOffset { offset: 0, timestamp_ms: None }), 5_000);
        assert_eq!(search.state, State::Hopeless);
        let mut search = Search::new(100, 5_000);
        search.learn(50, 0, None, 5_000);
        search.learn(50, 0, None, 5_000);
        assert_eq!(search.state, State::Hopeless, "two answers without an offset end the search");
    }

    #[test]
    fn record_after_a_timestamp_in_the_future_gets_no_age() {
        let log = [1_000, 2_000, 900_000_000, 3_000, 4_000];
        for offset in [2, 3, 4] {
            assert_eq!(find(&log, offset, 5_000).0, State::Hopeless, "{offset}");
        }
        assert!(
            matches!(find(&log, 1, 5_000).0, State::Found { .. }),
            "records before the timestamp in the future are found"
        );
    }

    proptest! {
        /// In a log whose timestamps never go back, the true time lies within the error, after few guesses.
        #[test]
        fn true_time_lies_within_the_error(pauses in prop::collection::vec(0i64..100_000, 1..300), pick in 0.0..1.0f64) {
            let log: Vec<i64> = pauses.iter().scan(1_000_000, |time, pause| { *time += pause; Some(*time) }).collect();
            let offset = ((log.len() as f64 * pick) as usize).min(log.len() - 1);
            let (state, guesses) = find(&log, offset as i64, log[log.len() - 1] + 1);
            let State::Found { timestamp_ms: at, error_ms: error } = state else { return Err(TestCaseError::fail(format!("{state:?}"))) };
            prop_assert!((at - log[offset]).abs() <= error + 1, "{at} ± {error}, is {}", log[offset]);
            prop_assert!(guesses <= 60, "{guesses}");
        }
    }
}
