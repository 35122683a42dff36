//! What survives a restart: taken in at the start, told whenever something is new.

use super::row::{HistoryRow, Loaded};
use super::{
    memory::{PartitionMemory, TopicMemory},
    watched::Watched,
};

impl Watched {
    /// Goes on where an earlier run ended.
    pub(crate) fn remember(&mut self, loaded: Loaded) {
        for (topic, (id, partitions)) in loaded {
            let seen =
                |(number, history)| (number, PartitionMemory { history, ..PartitionMemory::default() });
            let partitions = partitions.into_iter().map(seen).collect();
            self.topics.insert(topic, TopicMemory { id, partitions, ..TopicMemory::default() });
        }
    }

    /// Histories with new samples since the last call, or all of them: a plateau that only goes on is no news
    /// until the end. Partitions that have gone are told once.
    pub(crate) fn unsaved(&mut self, all: bool) -> Vec<HistoryRow> {
        let mut rows = std::mem::take(&mut self.deleted);
        for (topic, memory) in &mut self.topics {
            let wanted = |seen: &PartitionMemory| seen.changed || (all && !seen.history.is_empty());
            for (number, seen) in memory.partitions.iter_mut().filter(|(_, seen)| wanted(seen)) {
                seen.changed = false;
                let history = Some(seen.history.clone());
                rows.push(HistoryRow { topic: topic.clone(), partition: *number, id: memory.id, history });
            }
        }
        rows
    }

    /// What was told could not be saved: it will be told again.
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

    /// Nobody asks what is to be saved.
    pub(crate) fn keep_nothing(&mut self) {
        self.deleted.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::collect::history::History;

    fn told(watched: &mut Watched, all: bool) -> Vec<(i32, bool)> {
        watched.unsaved(all).iter().map(|row| (row.partition, row.history.is_some())).collect()
    }

    #[test]
    fn what_is_new_is_told_once_and_again_if_it_was_not_saved() {
        let mut watched = Watched::default();
        let history = |partition: i32, end| {
            let mut history = History::default();
            history.add(Duration::from_secs(1), end);
            HistoryRow { topic: "t".into(), partition, id: None, history: Some(history) }
        };
        let loaded = [history(0, 5), history(1, 7)].map(|row| (row.partition, row.history.expect("one")));
        watched.remember(Loaded::from([("t".into(), (None, BTreeMap::from(loaded)))]));
        assert_eq!(told(&mut watched, false), [], "it is in the file");
        assert_eq!(told(&mut watched, true), [(0, true), (1, true)], "but at the end everything is written");
        watched.deleted.push(HistoryRow::gone(&"t".into(), 9));
        watched.topics.get_mut("t").expect("a topic").partitions.get_mut(&1).expect("one").changed = true;
        let rows = watched.unsaved(false);
        assert_eq!((rows.len(), told(&mut watched, false)), (2, vec![]));
        watched.not_saved(rows);
        assert_eq!(told(&mut watched, false), [(9, false), (1, true)]);
    }
}
