//! Is what a group has not read anything an application would ever see?
//!
//! A transaction ends with a marker that takes an offset and is no record. A group that has read everything
//! stays behind it, with a lag of one that grows older for ever. The heads of the last batches tell; they are
//! asked for once for each end of a log, and only where a group is behind by very little.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    kafka::{
        Fault,
        admin::{self, Batch, TimesByLeader},
        wire,
    },
    probe::metadata,
};

use super::{Api, Faults};

/// Further behind than this is behind.
pub(super) const MOST: i64 = 4;

/// A topic, a partition, a commit, and the end of the log.
pub(super) type Place = (Arc<str>, i32, i64, i64);

/// What is known of the ends of logs.
#[derive(Debug, Default)]
pub(super) struct Tails {
    /// Whether nothing but markers lies between the commit and the end.
    known: BTreeMap<Place, bool>,
    /// We may not read; asked no more.
    denied: bool,
}

impl Tails {
    /// Whether nothing but markers lies between the commit and the end.
    pub(super) fn is_read(&self, topic: &Arc<str>, partition: i32, committed: i64, end: i64) -> bool {
        self.known.get(&(topic.clone(), partition, committed, end)).copied().unwrap_or(false)
    }

    /// Looks at the places that are new; forgets the others.
    pub(super) async fn run(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        wanted: Vec<Place>,
        faults: &mut Faults,
    ) {
        let before = std::mem::take(&mut self.known);
        let mut asked = TimesByLeader::new();
        let mut open = BTreeMap::new();
        for place in wanted {
            if let Some(known) = before.get(&place) {
                self.known.insert(place, *known);
                continue;
            }
            let (topic, partition, committed, _) = &place;
            let leader = metadata.topics.get(&**topic).and_then(|topic| topic.as_ref().ok());
            let leader = leader.and_then(|topic| topic.partitions.get(partition)?.leader);
            // A broker answers each partition once: another commit of it waits for the next cycle.
            if let Some(leader) =
                leader.filter(|_| !self.denied && !open.contains_key(&(topic.clone(), *partition)))
            {
                asked
                    .entry(leader)
                    .or_default()
                    .entry(topic.clone())
                    .or_default()
                    .push((*partition, *committed));
                open.insert((topic.clone(), *partition), place);
            }
        }
        if asked.is_empty() {
            return;
        }
        for (place, found) in admin::batches(wire, &asked).await {
            match (found, open.remove(&place)) {
                // Cut off by the size of the answer: asked again.
                (Ok(batches), _) if batches.is_empty() => {}
                (Ok(batches), Some(place)) => {
                    let read = only_markers(&batches, place.2, place.3);
                    self.known.insert(place, read);
                }
                (Err(Fault::Authorization), _) => self.denied = true,
                (Err(fault), _) => faults.count(Api::Fetch, fault),
                (Ok(_), None) => {}
            }
        }
    }
}

/// Whether every offset from the commit to the end is a marker's.
fn only_markers(batches: &[Batch], committed: i64, end: i64) -> bool {
    let mut next = committed;
    for batch in batches.iter().filter(|batch| batch.last >= committed) {
        if !batch.control || batch.first > next {
            return false;
        }
        next = batch.last + 1;
    }
    next >= end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unbroken_row_of_markers_is_nothing_to_read() {
        let data = |first, last| Batch { first, last, control: false };
        let marker = |at| Batch { first: at, last: at, control: true };
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
}
