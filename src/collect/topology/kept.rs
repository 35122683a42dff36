//! What survives a restart: which topics there were, so that what changed meanwhile is told.

use super::{Seen, Watched};
use crate::collect::store::TopicRow;

impl Watched {
    /// Goes on where an earlier run ended.
    pub(in crate::collect) fn remember(&mut self, topics: Vec<TopicRow>) {
        for (name, topic) in topics {
            let Some((id, partitions, replicas)) = topic else { continue };
            let leaders = (0..partitions).map(|number| (number, None)).collect();
            self.topics.insert(name, Seen { id, replicas, replicas_now: replicas, leaders, missed: 0 });
            self.remembered = true;
        }
    }

    /// Topics that are other ones since the last call: their ids, partitions and replicas.
    pub(in crate::collect) fn unsaved(&mut self) -> Vec<TopicRow> {
        let row = |name| {
            let seen = self
                .topics
                .get(&name)
                .map(|seen| (seen.id, i32::try_from(seen.leaders.len()).unwrap_or(i32::MAX), seen.replicas));
            (name, seen)
        };
        std::mem::take(&mut self.unsaved).into_iter().map(row).collect()
    }

    /// All of it is to be saved, to a file that knows nothing.
    pub(in crate::collect) fn save_all(&mut self) {
        self.unsaved = self.topics.keys().cloned().collect();
    }

    /// They could not be saved: they will be told again.
    pub(in crate::collect) fn not_saved(&mut self, topics: Vec<TopicRow>) {
        self.unsaved.extend(topics.into_iter().map(|(name, _)| name));
    }
}
