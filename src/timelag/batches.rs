//! What the heads of record batches tell, where nothing cheaper does.
//!
//! Three things: how old the record at an offset is, whatever order timestamps have; how old the newest record
//! is, where the broker does not say; and whether what a group has not read is anything an application would
//! ever see. (A transaction ends with a marker that takes an offset and is no record: a group that has read
//! everything stays behind it, with a lag of one that grows older for ever.)
//!
//! No record is read: a few kilobytes of heads for each offset, shared by all groups, asked for once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cluster::{Api, Faults, MAX_SKEW, OffsetSet, TopicPartition, metadata},
    collect::{
        freshness::BatchDates,
        time_lag::{Method, TimeLag},
        topics,
    },
    kafka::{
        BrokerId, Capability, Fault,
        admin::{self, BatchHeader, PARTITIONS_PER_FETCH, TimesByLeader},
        capability::BELIEVED_FOR,
        wire,
    },
};

/// A group with more uncommitted offsets than this before the log end has lag. With fewer, only control batches may remain.
pub(crate) const ALMOST: i64 = 4;

/// Questions to each leader in a cycle; what is not told by then is asked in the next.
const ROUNDS: usize = 8;

/// What is known of batches.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    known: BTreeMap<Arc<str>, OfTopic>,
    /// Of the cycle before: what is still wanted moves over.
    before: BTreeMap<Arc<str>, OfTopic>,
    /// Topics that we may not read, and since when.
    denied: BTreeMap<Arc<str>, Instant>,
    /// Whether any were ever read.
    read: bool,
    /// Whose turn it is to be asked first, and to be asked alone.
    turns: usize,
    /// Whether the cycle before came to its end.
    ended: bool,
    until: Option<Instant>,
}

/// Offsets, and the ends of their logs, by leader and partition: a broker answers a partition once.
type Asked = BTreeMap<BrokerId, BTreeMap<TopicPartition, (i64, i64)>>;

/// By partition and offset.
type OfTopic = BTreeMap<(i32, i64), Known>;

/// The batches from an offset on.
#[derive(Debug)]
struct Known {
    batches: Vec<BatchHeader>,
    /// The end of the log then.
    end: i64,
}

impl Heads {
    /// Begins a cycle, in which nothing is asked after `until`: what is not wanted in it is forgotten. Of a topic
    /// that is compacted everything is: what was there may be there no more.
    pub(crate) fn turn(&mut self, until: Instant, is_compacted: impl Fn(&str) -> bool) {
        self.until = Some(until);
        let known = std::mem::take(&mut self.known);
        if std::mem::take(&mut self.ended) {
            self.before = known;
        } else {
            // The cycle before was cut short: what it did not come to is still good.
            for (topic, known) in known {
                self.before.entry(topic).or_default().extend(known);
            }
        }
        self.before.retain(|topic, _| !is_compacted(topic));
        self.denied.retain(|_, since| since.elapsed() < BELIEVED_FOR);
    }

    /// Ends a cycle: everything that is wanted has been asked for.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Forgets a topic, which is another one now.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.before.remove(topic);
    }

    /// Asks for the heads from these offsets on, as far as they are not known.
    pub(crate) async fn ask(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        wanted: &OffsetSet,
        topics: &topics::Watched,
        faults: &mut Faults,
    ) {
        let mut open = BTreeMap::<BrokerId, Vec<(TopicPartition, i64, i64)>>::new();
        for (topic, places) in wanted {
            let Some(logs) = topics.of(topic) else { continue };
            let leaders = metadata.topics.get(&**topic).and_then(|topic| topic.as_ref().ok());
            let (mut before, mut known) =
                (self.before.remove(topic), self.known.remove(topic).unwrap_or_default());
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
                    open.entry(leader).or_default().push(((topic.clone(), *partition), *offset, end));
                }
            }
            self.known.insert(topic.clone(), known);
            // The rest may be wanted later in this cycle.
            self.before.extend(before.map(|before| (topic.clone(), before)));
        }
        // Where there is too much for a cycle, others come first in the next.
        self.turns += 1;
        for open in open.values_mut() {
            let first = (self.turns * PARTITIONS_PER_FETCH * ROUNDS) % open.len();
            open.rotate_left(first);
        }
        let mut large = BTreeMap::<BrokerId, Vec<(TopicPartition, i64, i64)>>::new();
        for _ in 0..ROUNDS {
            if self.until.is_some_and(|until| Instant::now() > until) {
                return;
            }
            let asked: Asked = open.iter_mut().map(|(leader, open)| (*leader, share(open))).collect();
            for (leader, place) in self.round(wire, asked, faults).await {
                large.entry(leader).or_default().push(place);
            }
            open.retain(|_, open| !open.is_empty());
            if open.is_empty() {
                break;
            }
        }
        // A broker hands out any batch to who asks for nothing else: one in a cycle, for it may be megabytes.
        let one = large.into_iter().map(|(leader, mut large)| {
            let (place, offset, end) = large.swap_remove(self.turns % large.len());
            (leader, BTreeMap::from([(place, (offset, end))]))
        });
        let one = one.collect();
        self.round(wire, one, faults).await;
    }

    /// Asks every leader once; returns what did not fit into the answer.
    async fn round(
        &mut self,
        wire: &wire::Cluster,
        asked: Asked,
        faults: &mut Faults,
    ) -> Vec<(BrokerId, (TopicPartition, i64, i64))> {
        let mut large = Vec::new();
        if asked.is_empty() {
            return large;
        }
        let mut found = admin::fetch_batch_headers(wire, &request(&asked)).await;
        for (leader, places) in asked {
            let alone = places.len() == 1;
            for (place, (offset, end)) in places {
                match found.remove(&place).unwrap_or(Err(Fault::Protocol)) {
                    Ok(batches) if batches.is_empty() && !alone => large.push((leader, (place, offset, end))),
                    Ok(batches) => {
                        self.read = true;
                        let known = self.known.entry(place.0).or_default();
                        known.insert((place.1, offset), Known { batches, end });
                    }
                    // A search does instead.
                    Err(Fault::Authorization) => _ = self.denied.insert(place.0, Instant::now()),
                    Err(fault) => faults.count(Api::Fetch, fault),
                }
            }
        }
        large
    }

    /// Whether heads may be read, of every topic of which they were ever wanted.
    pub(crate) fn capability(&self) -> Capability {
        match (self.denied.is_empty(), self.read) {
            (false, _) => Capability::Denied,
            (true, true) => Capability::Ok,
            (true, false) => Capability::Unknown,
        }
    }

    /// What the record batches at these places say of their dates; later than `latest_ms` is in the future.
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

    /// What is known of a topic.
    pub(crate) fn of(&self, topic: &str) -> Of<'_> {
        Of(self.known.get(topic))
    }
}

impl Known {
    /// Whether it still tells what comes at or after the offset: where a record is, it stays; what came after
    /// markers has to be looked at.
    fn holds(&self, offset: i64, end: i64) -> bool {
        self.end == end || record(&self.batches, offset).is_some()
    }
}

/// What is known of one topic.
pub(crate) struct Of<'a>(Option<&'a OfTopic>);

impl Of<'_> {
    fn at(&self, partition: i32, offset: i64) -> Option<&Known> {
        self.0?.get(&(partition, offset))
    }

    /// Whether it is known what is at an offset.
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

    /// Whether nothing but markers lies between a commit and the end.
    pub(crate) fn is_read(&self, partition: i32, committed: i64, end: i64) -> bool {
        self.at(partition, committed).is_some_and(|known| only_markers(&known.batches, committed, end))
    }

    /// How old the first record at or after an offset is. Within a compressed batch only the batch's times are
    /// known: the record is taken to be in the middle of them, which holds where timestamps are in order.
    pub(crate) fn age(&self, partition: i32, offset: i64, now_ms: i64) -> Option<TimeLag> {
        let (at, error) = date(record(&self.at(partition, offset)?.batches, offset)?, offset)?;
        let age = now_ms - at;
        // Of a record from the future nobody can say how old it is.
        if age + i64::try_from(MAX_SKEW.as_millis()).ok()? < 0 {
            return None;
        }
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Some(TimeLag { age: millis(age), error: Some(millis(error)), method: Method::Record })
    }

    /// The newest timestamp from an offset on that is not dated after `latest_ms`. All in milliseconds since 1970.
    pub(crate) fn newest_ms(&self, partition: i32, offset: i64, latest_ms: i64) -> Option<i64> {
        let records = self.at(partition, offset)?.batches.iter().filter(|batch| !batch.control);
        let credible = |ms: &i64| *ms <= latest_ms;
        let newest =
            |batch: &BatchHeader| batch.newest_ms.filter(credible).or(batch.asked_ms.filter(credible));
        records.filter_map(newest).max()
    }

    /// The newest timestamp from an offset on that is dated after `latest_ms`, and the last offset of its batch.
    pub(crate) fn ahead(&self, partition: i32, offset: i64, latest_ms: i64) -> Option<(i64, i64)> {
        let records = self.at(partition, offset)?.batches.iter().filter(|batch| !batch.control);
        let ahead = |batch: &BatchHeader| Some((batch.newest_ms.filter(|ms| *ms > latest_ms)?, batch.last));
        records.filter_map(ahead).max()
    }
}

/// As many places as one question has room for, each only once: a broker answers a partition once.
fn share(open: &mut Vec<(TopicPartition, i64, i64)>) -> BTreeMap<TopicPartition, (i64, i64)> {
    let mut taken = BTreeMap::new();
    open.retain(|(place, offset, end)| {
        let take = taken.len() < PARTITIONS_PER_FETCH && !taken.contains_key(place);
        if take {
            taken.insert(place.clone(), (*offset, *end));
        }
        !take
    });
    taken
}

fn request(asked: &Asked) -> TimesByLeader {
    let mut request = TimesByLeader::new();
    for (leader, places) in asked {
        let topics = request.entry(*leader).or_default();
        for ((topic, partition), (offset, _)) in places {
            topics.entry(topic.clone()).or_default().push((*partition, *offset));
        }
    }
    request
}

/// The batch with the first record at or after an offset.
fn record(batches: &[BatchHeader], offset: i64) -> Option<&BatchHeader> {
    batches.iter().find(|batch| !batch.control && batch.last >= offset)
}

/// When the first record at or after an offset is dated, and how far from the truth that is at most, in
/// milliseconds.
fn date(batch: &BatchHeader, offset: i64) -> Option<(i64, i64)> {
    if let Some(exact) = batch.asked_ms.or(batch.first_ms.filter(|_| offset <= batch.first)) {
        return Some((exact, 0));
    }
    let (first, newest) = (batch.first_ms?, batch.newest_ms?);
    let width = newest.saturating_sub(first).max(0);
    Some((newest - width / 2, width - width / 2))
}

/// Whether every offset from the commit to the end is a marker's.
fn only_markers(batches: &[BatchHeader], committed: i64, end: i64) -> bool {
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

/// Asks batches everything that a cycle asks them: where a group committed, where the log ends and what time it is.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(batches: Vec<BatchHeader>, committed: i64, end: i64, now_ms: i64) {
    let known = Known { batches, end };
    _ = known.holds(committed, end);
    let all = OfTopic::from([((0, committed), known)]);
    let of = Of(Some(&all));
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

    fn marker(at: i64) -> BatchHeader {
        BatchHeader { first: at, last: at, control: true, newest_ms: Some(9_999), ..BatchHeader::default() }
    }

    #[test]
    fn only_an_unbroken_row_of_markers_is_nothing_to_read() {
        assert!(only_markers(&[marker(10)], 10, 11));
        assert!(only_markers(&[data(5, 9), marker(10), marker(11)], 10, 12));
        assert!(!only_markers(&[marker(10), data(11, 11)], 10, 12));
        assert!(
            !only_markers(&[data(8, 10), marker(11)], 10, 12),
            "the commit lies within a batch of records"
        );
        assert!(!only_markers(&[marker(10)], 10, 12), "what comes after the marker was not seen");
        assert!(!only_markers(&[], 10, 11));
        assert!(!only_markers(&[marker(11)], 10, 12), "what was at the commit is gone, and was not seen");
    }

    #[test]
    fn marker_at_the_largest_offset_is_a_marker() {
        assert!(only_markers(&[marker(i64::MAX)], i64::MAX, i64::MAX));
        assert!(only_markers(&[BatchHeader { last: i64::MAX, ..marker(10) }], 10, 12));
    }

    #[test]
    fn a_record_is_as_old_as_it_says_or_as_its_batch() {
        let batch = BatchHeader { first_ms: Some(1_000), newest_ms: Some(4_000), ..data(10, 19) };
        assert_eq!(date(&batch, 10), Some((1_000, 0)), "the first one's is known");
        assert_eq!(date(&batch, 7), Some((1_000, 0)), "what was before it is gone");
        assert_eq!(date(&batch, 15), Some((2_500, 1_500)));
        let told = BatchHeader { asked_ms: Some(77), ..batch };
        assert_eq!(date(&told, 15), Some((77, 0)));
        assert_eq!(date(&BatchHeader { first_ms: None, ..batch }, 15), None);
        let backwards = BatchHeader { first_ms: Some(9_000), ..batch };
        assert_eq!(date(&backwards, 15), Some((4_000, 0)));
        assert_eq!(record(&[data(5, 9), marker(10), data(11, 12)], 10), Some(&data(11, 12)));
    }

    #[test]
    fn what_is_known_tells_of_records_and_markers() {
        let batch = BatchHeader { first_ms: Some(1_000), newest_ms: Some(5_000), ..data(3, 9) };
        let known = |batches| Known { batches, end: 11 };
        let all = BTreeMap::from([
            ((0, 3), known(vec![batch])),
            ((0, 10), known(vec![marker(10)])),
            ((0, 11), known(vec![])),
        ]);
        let heads = Of(Some(&all));
        let age = |offset, now| heads.age(0, offset, now).map(|age| age.age.as_secs());
        assert_eq!((age(3, 61_000), age(10, 61_000), age(4, 61_000)), (Some(60), None, None));
        assert_eq!((age(3, 900), age(3, -70_000)), (Some(0), None), "a moment ahead, and from the future");
        let newest = |offset, latest| heads.newest_ms(0, offset, latest);
        assert_eq!((newest(3, 5_000), newest(3, 4_999), newest(10, 99_999)), (Some(5_000), None, None));
        assert!(heads.is_read(0, 10, 11) && !heads.is_read(0, 3, 11));
        assert!(all[&(0, 3)].holds(3, 99), "a record stays");
        assert!(
            all[&(0, 10)].holds(10, 11) && !all[&(0, 10)].holds(10, 12),
            "records follow the control batch"
        );
    }

    #[test]
    fn what_is_not_wanted_any_more_is_forgotten_and_what_may_have_changed_too() {
        let mut heads = Heads::default();
        let fill = |heads: &mut Heads| {
            for topic in ["compacted", "anew", "kept"] {
                let known = Known { batches: vec![data(3, 9)], end: 11 };
                heads.known.entry(topic.into()).or_default().insert((0, 3), known);
            }
        };
        fill(&mut heads);
        heads.turn(Instant::now(), |topic| topic == "compacted");
        heads.forget("anew");
        assert_eq!(heads.before.keys().map(|topic| &**topic).collect::<Vec<_>>(), ["kept"]);
        assert!(!heads.of("kept").know(0, 3), "nobody asked for it in this cycle");
        heads.turn(Instant::now(), |_| false);
        assert!(heads.before.contains_key("kept"), "the cycle was cut short");
        heads.end();
        heads.turn(Instant::now(), |_| false);
        assert!(heads.before.is_empty());
    }

    #[test]
    fn a_share_has_each_partition_once_and_no_more_than_fit() {
        let place = |number| (Arc::<str>::from("t"), number);
        let mut open: Vec<_> = (0..100).map(|number| (place(number % 80), i64::from(number), 200)).collect();
        let first = share(&mut open);
        assert_eq!((first.len(), first[&place(7)]), (PARTITIONS_PER_FETCH, (7, 200)));
        let second = share(&mut open);
        assert_eq!((second.len(), second[&place(7)], open.len()), (36, (87, 200), 0));
    }
}
