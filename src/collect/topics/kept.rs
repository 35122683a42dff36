//! The samples of log end offsets that survive a restart: loaded at the start, and written to the history file when they change.

use super::{
    memory::{PartitionMemory, TopicMemory},
    row::{HistoryRow, Loaded},
    watched::WatchedTopics,
};

impl WatchedTopics {
    /// Takes in the histories that an earlier run of the service saved.
    pub(crate) fn remember(&mut self, loaded: Loaded) {
        for (topic, (id, partitions)) in loaded {
            let seen =
                |(number, history)| (number, PartitionMemory { history, ..PartitionMemory::default() });
            let partitions = partitions.into_iter().map(seen).collect();
            self.topics.insert(topic, TopicMemory { id, partitions, ..TopicMemory::default() });
        }
    }

    /// The rows to write to the history file: partitions whose history changed since the last call. A history to which no
    /// record was added is not changed, although its last sample covers a longer time.
    /// A deleted partition is returned once, as a row without a history.
    pub(crate) fn unsaved(&mut self) -> Vec<HistoryRow> {
        let mut rows = std::mem::take(&mut self.deleted);
        for (topic, memory) in &mut self.topics {
            for (number, seen) in memory.partitions.iter_mut().filter(|(_, seen)| seen.changed) {
                seen.changed = false;
                let history = Some(seen.history.clone());
                rows.push(HistoryRow { topic: topic.clone(), partition: *number, id: memory.id, history });
            }
        }
        rows
    }

    /// Marks every history as changed, for the last write before the service stops, and for a new history file.
    pub(crate) fn save_all(&mut self) {
        let partitions = self.topics.values_mut().flat_map(|memory| memory.partitions.values_mut());
        partitions.for_each(|seen| seen.changed |= !seen.history.is_empty());
    }

    /// Marks rows whose write to the history file failed: the next call of `unsaved` returns them again.
    pub(crate) fn not_saved(&mut self, rows: Vec<HistoryRow>) {
        for row in rows {
            if row.history.is_none() {
                self.deleted.push(row);
            } else if let Some(memory) = self.topics.get_mut(&row.topic)
                && let Some(seen) = memory.partitions.get_mut(&row.partition)
            {
                seen.changed = true;
            }
        }
    }

    /// Forgets the rows of deleted partitions, for a service that writes no history file.
    pub(crate) fn drop_deletions(&mut self) {
        self.deleted.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::collect::history::History;

    fn unsaved_partitions(watched: &mut WatchedTopics) -> Vec<(i32, bool)> {
        watched.unsaved().iter().map(|row| (row.partition, row.history.is_some())).collect()
    }

    #[test]
    fn unsaved_history_is_returned_once_and_again_after_a_failed_write() {
        let mut watched = WatchedTopics::default();
        let history = |partition: i32, end| {
            let mut history = History::default();
            history.add(Duration::from_secs(1), end);
            HistoryRow { topic: "t".into(), partition, id: None, history: Some(history) }
        };
        let loaded = [history(0, 5), history(1, 7)].map(|row| (row.partition, row.history.expect("one")));
        watched.remember(Loaded::from([("t".into(), (None, BTreeMap::from(loaded)))]));
        assert_eq!(unsaved_partitions(&mut watched), [], "a loaded history is already in the file");
        watched.save_all();
        assert_eq!(
            unsaved_partitions(&mut watched),
            [(0, true), (1, true)],
            "every history is written when the service stops"
        );
        watched.deleted.push(HistoryRow::deleted(&"t".into(), 9));
        watched.topics.get_mut("t").expect("a topic").partitions.get_mut(&1).expect("one").changed = true;
        let rows = watched.unsaved();
        assert_eq!((rows.len(), unsaved_partitions(&mut watched)), (2, vec![]));
        watched.not_saved(rows);
        assert_eq!(unsaved_partitions(&mut watched), [(9, false), (1, true)]);
    }
}
