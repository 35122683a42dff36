//! The headers of record batches, where no cheaper source gives an age.
//!
//! A header says how old the record at an offset is, whatever the order of timestamps; how old the newest record is, where the
//! broker does not name it; and whether a group has records left to read. (A transaction ends with a control batch, which takes
//! an offset and is no record: a group that has read every record keeps a lag of one offset, which grows older for ever.)
//!
//! No record is read: each offset takes a few kilobytes of headers, which are shared by all groups and read once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cluster::{Api, Faults, MAX_SKEW, OffsetSet, metadata},
    collect::{
        freshness::{BatchDates, FutureBatch},
        time_lag::{Method, TimeLag},
        topics,
    },
    kafka::{
        BrokerId, Capability, Fault, TopicPartition,
        admin::{self, BatchHeader, PARTITIONS_PER_FETCH, TimesByLeader},
        capability::BELIEVED_FOR,
        wire,
    },
};

/// A group with more offsets than this before the log end has lag. With fewer, only control batches may be left.
pub(crate) const NEAR_LOG_END: i64 = 4;

/// Requests to each leader in a cycle. The next cycle goes on with the rest.
const ROUNDS: usize = 8;

/// The record batches at the offsets that are wanted.
#[derive(Debug, Default)]
pub(crate) struct RecordBatches {
    known: BTreeMap<Arc<str>, BatchesByOffset>,
    /// The batches of the cycle before: those that are still wanted move to `known`.
    before: BTreeMap<Arc<str>, BatchesByOffset>,
    /// Topics that the principal may not read, and since when.
    denied: BTreeMap<Arc<str>, Instant>,
    /// Whether any batch was ever read.
    was_read: bool,
    /// Counts the calls of `ask`: decides which partitions are asked for first, and which is asked for alone.
    turns: usize,
    /// Whether the cycle before was complete.
    complete: bool,
    until: Option<Instant>,
}

/// An offset whose record batch is wanted, and the high watermark of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WantedOffset {
    offset: i64,
    end: i64,
}

/// Wanted offsets by leader. A broker answers each partition once in a request.
type Asked = BTreeMap<BrokerId, BTreeMap<TopicPartition, WantedOffset>>;

/// Batches by partition and offset.
type BatchesByOffset = BTreeMap<(i32, i64), BatchesFrom>;

/// The headers of the record batches from an offset on.
#[derive(Debug)]
struct BatchesFrom {
    batches: Vec<BatchHeader>,
    /// The high watermark when the headers were read.
    end: i64,
}

impl RecordBatches {
    /// Begins a cycle, which asks for nothing after `until`. Batches that the cycle does not want are forgotten. Those of a
    /// compacted topic are forgotten at once: their records may have been removed.
    pub(crate) fn begin_cycle(&mut self, until: Instant, is_compacted: impl Fn(&str) -> bool) {
        self.until = Some(until);
        let known = std::mem::take(&mut self.known);
        if std::mem::take(&mut self.complete) {
            self.before = known;
        } else {
            // The cycle before was cut short: batches that it did not ask for may still be wanted.
            for (topic, known) in known {
                self.before.entry(topic).or_default().extend(known);
            }
        }
        self.before.retain(|topic, _| !is_compacted(topic));
        self.denied.retain(|_, since| since.elapsed() < BELIEVED_FOR);
    }

    /// Ends a cycle: all wanted batches have been asked for.
    pub(crate) fn end_cycle(&mut self) {
        self.complete = true;
    }

    /// Forgets a topic whose log was truncated or recreated.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.before.remove(topic);
    }

    /// Asks for the headers from these offsets on, unless they are known.
    pub(crate) async fn ask(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        wanted: &OffsetSet,
        topics: &topics::WatchedTopics,
        faults: &mut Faults,
    ) {
        let mut open = self.unknown(metadata, wanted, topics);
        // If one cycle cannot ask for all, the next one begins with other partitions.
        self.turns += 1;
        for open in open.values_mut() {
            let first = (self.turns * PARTITIONS_PER_FETCH * ROUNDS) % open.len();
            open.rotate_left(first);
        }
        let mut large = BTreeMap::<BrokerId, Vec<(TopicPartition, WantedOffset)>>::new();
        for _ in 0..ROUNDS {
            if self.until.is_some_and(|until| Instant::now() > until) {
                return;
            }
            let asked: Asked = open.iter_mut().map(|(leader, open)| (*leader, take_share(open))).collect();
            for (leader, place) in self.round(wire, asked, faults).await {
                large.entry(leader).or_default().push(place);
            }
            open.retain(|_, open| !open.is_empty());
            if open.is_empty() {
                break;
            }
        }
        // A broker returns a batch of any size if a request wants nothing else. That may be megabytes: one in a cycle is enough.
        let one = large.into_iter().map(|(leader, mut large)| {
            let wanted = large.swap_remove(self.turns % large.len());
            (leader, BTreeMap::from([wanted]))
        });
        let one = one.collect();
        self.round(wire, one, faults).await;
    }

    /// Takes over the batches that the cycle before read and that are still right; returns the other wanted offsets, by leader.
    fn unknown(
        &mut self,
        metadata: &metadata::Snapshot,
        wanted: &OffsetSet,
        topics: &topics::WatchedTopics,
    ) -> BTreeMap<BrokerId, Vec<(TopicPartition, WantedOffset)>> {
        let mut open = BTreeMap::<BrokerId, Vec<(TopicPartition, WantedOffset)>>::new();
        for (topic, places) in wanted {
            let Some(logs) = topics.of(topic) else { continue };
            let leaders = metadata.topics.get(&**topic).and_then(|topic| topic.as_ref().ok());
            let mut before = self.before.remove(topic);
            let mut known = self.known.remove(topic).unwrap_or_default();
            for (partition, offset) in places {
                let Some(end) = logs.log(*partition).and_then(|log| log.high) else { continue };
                let place = (*partition, *offset);
                let kept = before.as_mut().and_then(|before| before.remove(&place));
                if let Some(kept) = kept.filter(|kept| kept.holds(*offset, end)) {
                    known.insert(place, kept);
                }
                let leader = leaders.and_then(|topic| topic.partitions.get(partition)?.leader);
                if !known.contains_key(&place)
                    && let Some(leader) = leader.filter(|_| !self.denied.contains_key(topic))
                {
                    open.entry(leader).or_default().push((
                        TopicPartition::new(topic, *partition),
                        WantedOffset { offset: *offset, end },
                    ));
                }
            }
            self.known.insert(topic.clone(), known);
            // The other batches may be wanted later in this cycle.
            self.before.extend(before.map(|before| (topic.clone(), before)));
        }
        open
    }

    /// Asks every leader once; returns the offsets whose batch did not fit into the answer.
    async fn round(
        &mut self,
        wire: &wire::Cluster,
        asked: Asked,
        faults: &mut Faults,
    ) -> Vec<(BrokerId, (TopicPartition, WantedOffset))> {
        let mut large = Vec::new();
        if asked.is_empty() {
            return large;
        }
        let mut found = admin::fetch_batch_headers(wire, &request(&asked)).await;
        for (leader, places) in asked {
            let alone = places.len() == 1;
            for (place, wanted) in places {
                let WantedOffset { offset, end } = wanted;
                match found.remove(&place).unwrap_or(Err(Fault::Protocol)) {
                    Ok(batches) if batches.is_empty() && !alone => large.push((leader, (place, wanted))),
                    Ok(batches) => {
                        self.was_read = true;
                        let known = self.known.entry(place.topic).or_default();
                        known.insert((place.partition, offset), BatchesFrom { batches, end });
                    }
                    // A search finds the age instead.
                    Err(Fault::Authorization) => _ = self.denied.insert(place.topic, Instant::now()),
                    Err(fault) => faults.count(Api::Fetch, fault),
                }
            }
        }
        large
    }

    /// Whether the principal may read the topics whose batches were wanted.
    pub(crate) fn capability(&self) -> Capability {
        match (self.denied.is_empty(), self.was_read) {
            (false, _) => Capability::Denied,
            (true, true) => Capability::Ok,
            (true, false) => Capability::Unknown,
        }
    }

    /// The timestamps of the record batches at these offsets. A timestamp after `latest_ms` lies in the future.
    pub(crate) fn dates(
        &self,
        places: &OffsetSet,
        latest_ms: i64,
    ) -> BTreeMap<Arc<str>, Vec<(i32, BatchDates)>> {
        let of_topic = |(topic, places): (&Arc<str>, &BTreeSet<(i32, i64)>)| {
            let batches = self.of(topic);
            let dates =
                places.iter().map(|(number, offset)| (*number, batches.dates(*number, *offset, latest_ms)));
            (topic.clone(), dates.collect())
        };
        places.iter().map(of_topic).collect()
    }

    /// The batches of a topic.
    pub(crate) fn of(&self, topic: &str) -> TopicBatches<'_> {
        TopicBatches(self.known.get(topic))
    }
}

impl BatchesFrom {
    /// Whether the headers still say which record comes at or after the offset. A record stays where it is. After control batches
    /// there may be new records once the log end has moved.
    fn holds(&self, offset: i64, end: i64) -> bool {
        self.end == end || record(&self.batches, offset).is_some()
    }
}

/// The batches of one topic.
pub(crate) struct TopicBatches<'a>(Option<&'a BatchesByOffset>);

impl TopicBatches<'_> {
    fn at(&self, partition: i32, offset: i64) -> Option<&BatchesFrom> {
        self.0?.get(&(partition, offset))
    }

    /// Whether the batches at an offset are known.
    pub(crate) fn know(&self, partition: i32, offset: i64) -> bool {
        self.at(partition, offset).is_some()
    }

    fn dates(&self, partition: i32, offset: i64, latest_ms: i64) -> BatchDates {
        BatchDates {
            known: self.know(partition, offset),
            newest_ms: self.newest_ms(partition, offset, latest_ms),
            ahead: self.ahead(partition, offset, latest_ms),
        }
    }

    /// Whether there are only control batches between a committed offset and the log end.
    pub(crate) fn is_read(&self, partition: i32, committed: i64, end: i64) -> bool {
        self.at(partition, committed)
            .is_some_and(|known| only_control_batches(&known.batches, committed, end))
    }

    /// How old the first record at or after an offset is. Of a record within a compressed batch only the first and the newest
    /// timestamp of the batch are known: the middle of them is taken, which is right if timestamps are in order.
    pub(crate) fn age(&self, partition: i32, offset: i64, now_ms: i64) -> Option<TimeLag> {
        let (at, error) = date(record(&self.at(partition, offset)?.batches, offset)?, offset)?;
        let age = now_ms - at;
        // A record with a timestamp in the future has no age.
        if age + i64::try_from(MAX_SKEW.as_millis()).ok()? < 0 {
            return None;
        }
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Some(TimeLag { age: millis(age), error: Some(millis(error)), method: Method::Record })
    }

    /// The newest timestamp from an offset on that is not after `latest_ms`, in milliseconds since 1970.
    pub(crate) fn newest_ms(&self, partition: i32, offset: i64, latest_ms: i64) -> Option<i64> {
        let records = self.at(partition, offset)?.batches.iter().filter(|batch| !batch.control);
        let credible = |ms: &i64| *ms <= latest_ms;
        let newest =
            |batch: &BatchHeader| batch.newest_ms.filter(credible).or(batch.asked_ms.filter(credible));
        records.filter_map(newest).max()
    }

    /// The newest timestamp from an offset on that is after `latest_ms`, and the last offset of its batch.
    pub(crate) fn ahead(&self, partition: i32, offset: i64, latest_ms: i64) -> Option<FutureBatch> {
        let records = self.at(partition, offset)?.batches.iter().filter(|batch| !batch.control);
        let ahead = |batch: &BatchHeader| {
            let newest_ms = batch.newest_ms.filter(|ms| *ms > latest_ms)?;
            Some(FutureBatch { newest_ms, last: batch.last })
        };
        records.filter_map(ahead).max()
    }
}

/// Takes as many wanted offsets as one request has room for, and each partition once.
fn take_share(open: &mut Vec<(TopicPartition, WantedOffset)>) -> BTreeMap<TopicPartition, WantedOffset> {
    let mut taken = BTreeMap::new();
    open.retain(|(place, wanted)| {
        let take = taken.len() < PARTITIONS_PER_FETCH && !taken.contains_key(place);
        if take {
            taken.insert(place.clone(), *wanted);
        }
        !take
    });
    taken
}

fn request(asked: &Asked) -> TimesByLeader {
    let mut request = TimesByLeader::new();
    for (leader, places) in asked {
        let topics = request.entry(*leader).or_default();
        for (TopicPartition { topic, partition }, wanted) in places {
            topics.entry(topic.clone()).or_default().push((*partition, wanted.offset));
        }
    }
    request
}

/// The batch with the first record at or after an offset.
fn record(batches: &[BatchHeader], offset: i64) -> Option<&BatchHeader> {
    batches.iter().find(|batch| !batch.control && batch.last >= offset)
}

/// The timestamp of the first record at or after an offset, and its largest error, both in milliseconds.
fn date(batch: &BatchHeader, offset: i64) -> Option<(i64, i64)> {
    if let Some(exact) = batch.asked_ms.or(batch.first_ms.filter(|_| offset <= batch.first)) {
        return Some((exact, 0));
    }
    let (first, newest) = (batch.first_ms?, batch.newest_ms?);
    let width = newest.saturating_sub(first).max(0);
    Some((newest - width / 2, width - width / 2))
}

/// Whether every offset from the committed offset to the log end belongs to a control batch.
fn only_control_batches(batches: &[BatchHeader], committed: i64, end: i64) -> bool {
    let mut next = committed;
    // Record batches at and after the log end do not count: with isolation = read_committed that may be an open transaction.
    let between = batches.iter().filter(|batch| batch.last >= committed);
    for batch in between.take_while(|batch| batch.first < end) {
        if !batch.control || batch.first > next {
            return false;
        }
        next = batch.last.saturating_add(1);
    }
    next >= end
}

/// Entry point for fuzzing: everything that a cycle asks of record batches.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(batches: Vec<BatchHeader>, committed: i64, end: i64, now_ms: i64) {
    let known = BatchesFrom { batches, end };
    _ = known.holds(committed, end);
    let all = BatchesByOffset::from([((0, committed), known)]);
    let of = TopicBatches(Some(&all));
    _ = of.is_read(0, committed, end);
    _ = of.age(0, committed, now_ms);
    assert!(of.newest_ms(0, committed, now_ms).is_none_or(|newest| newest <= now_ms));
    _ = of.ahead(0, committed, now_ms);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(first: i64, last: i64) -> BatchHeader {
        BatchHeader { first, last, ..BatchHeader::default() }
    }

    fn control(at: i64) -> BatchHeader {
        BatchHeader { first: at, last: at, control: true, newest_ms: Some(9_999), ..BatchHeader::default() }
    }

    #[test]
    fn only_an_unbroken_row_of_control_batches_leaves_nothing_to_read() {
        assert!(only_control_batches(&[control(10)], 10, 11));
        assert!(only_control_batches(&[data(5, 9), control(10), control(11)], 10, 12));
        assert!(!only_control_batches(&[control(10), data(11, 11)], 10, 12));
        assert!(
            !only_control_batches(&[data(8, 10), control(11)], 10, 12),
            "the committed offset lies within a batch of records"
        );
        assert!(
            !only_control_batches(&[control(10)], 10, 12),
            "the batches after the control batch were not read"
        );
        assert!(!only_control_batches(&[], 10, 11));
        assert!(
            !only_control_batches(&[control(11)], 10, 12),
            "the batch at the committed offset was deleted and never read"
        );
    }

    #[test]
    fn control_batch_at_the_largest_offset_is_recognised() {
        assert!(only_control_batches(&[control(i64::MAX)], i64::MAX, i64::MAX));
        assert!(only_control_batches(&[BatchHeader { last: i64::MAX, ..control(10) }], 10, 12));
    }

    #[test]
    fn record_has_its_own_timestamp_or_that_of_its_batch() {
        let batch = BatchHeader { first_ms: Some(1_000), newest_ms: Some(4_000), ..data(10, 19) };
        assert_eq!(
            date(&batch, 10),
            Some((1_000, 0)),
            "the first record has the first timestamp of the batch"
        );
        assert_eq!(date(&batch, 7), Some((1_000, 0)), "the records before the batch were deleted");
        assert_eq!(date(&batch, 15), Some((2_500, 1_500)));
        let answered = BatchHeader { asked_ms: Some(77), ..batch };
        assert_eq!(date(&answered, 15), Some((77, 0)));
        assert_eq!(date(&BatchHeader { first_ms: None, ..batch }, 15), None);
        let backwards = BatchHeader { first_ms: Some(9_000), ..batch };
        assert_eq!(date(&backwards, 15), Some((4_000, 0)));
        assert_eq!(record(&[data(5, 9), control(10), data(11, 12)], 10), Some(&data(11, 12)));
    }

    #[test]
    fn known_batches_give_the_places_of_records_and_control_batches() {
        let batch = BatchHeader { first_ms: Some(1_000), newest_ms: Some(5_000), ..data(3, 9) };
        let known = |batches| BatchesFrom { batches, end: 11 };
        let all = BTreeMap::from([
            ((0, 3), known(vec![batch])),
            ((0, 10), known(vec![control(10)])),
            ((0, 11), known(vec![])),
        ]);
        let batches = TopicBatches(Some(&all));
        let age = |offset, now| batches.age(0, offset, now).map(|age| age.age.as_secs());
        assert_eq!((age(3, 61_000), age(10, 61_000), age(4, 61_000)), (Some(60), None, None));
        assert_eq!(
            (age(3, 900), age(3, -70_000)),
            (Some(0), None),
            "a timestamp just ahead of the clock has the age 0, a timestamp in the future has none"
        );
        let newest = |offset, latest| batches.newest_ms(0, offset, latest);
        assert_eq!((newest(3, 5_000), newest(3, 4_999), newest(10, 99_999)), (Some(5_000), None, None));
        assert!(batches.is_read(0, 10, 11) && !batches.is_read(0, 3, 11));
        assert!(all[&(0, 3)].holds(3, 99), "a record stays");
        assert!(
            all[&(0, 10)].holds(10, 11) && !all[&(0, 10)].holds(10, 12),
            "records follow the control batch"
        );
    }

    #[test]
    fn batches_that_are_not_wanted_or_may_have_changed_are_forgotten() {
        let mut batches = RecordBatches::default();
        let fill = |batches: &mut RecordBatches| {
            for topic in ["compacted", "recreated", "kept"] {
                let known = BatchesFrom { batches: vec![data(3, 9)], end: 11 };
                batches.known.entry(topic.into()).or_default().insert((0, 3), known);
            }
        };
        fill(&mut batches);
        batches.begin_cycle(Instant::now(), |topic| topic == "compacted");
        batches.forget("recreated");
        assert_eq!(batches.before.keys().map(|topic| &**topic).collect::<Vec<_>>(), ["kept"]);
        assert!(!batches.of("kept").know(0, 3), "the batch was not wanted in this cycle");
        batches.begin_cycle(Instant::now(), |_| false);
        assert!(
            batches.before.contains_key("kept"),
            "a cycle that did not end keeps the batches of the cycle before"
        );
        batches.end_cycle();
        batches.begin_cycle(Instant::now(), |_| false);
        assert!(batches.before.is_empty());
    }

    #[test]
    fn share_has_each_partition_once_and_no_more_than_fit() {
        let place = |number| TopicPartition { topic: "t".into(), partition: number };
        let mut open: Vec<_> = (0..100)
            .map(|number| (place(number % 80), WantedOffset { offset: i64::from(number), end: 200 }))
            .collect();
        let first = take_share(&mut open);
        assert_eq!(
            (first.len(), first[&place(7)]),
            (PARTITIONS_PER_FETCH, WantedOffset { offset: 7, end: 200 })
        );
        let second = take_share(&mut open);
        assert_eq!(
            (second.len(), second[&place(7)], open.len()),
            (36, WantedOffset { offset: 87, end: 200 }, 0)
        );
    }
}
