//! What survives a restart: which topics there were, so that what changed meanwhile is told.

use std::sync::Arc;

use super::watched::{Seen, Watched};
use crate::kafka::TopicId;

/// A topic's id, partitions and replicas; `None` for one that has gone.
pub(crate) type TopicRow = (Arc<str>, Option<(Option<TopicId>, i32, usize)>);

impl Watched {
    /// Goes on where an earlier run ended.
    pub(crate) fn remember(&mut self, topics: Vec<TopicRow>) {
        for (name, topic) in topics {
            let Some((id, partitions, replicas)) = topic else { continue };
            let leaders = (0..partitions).map(|number| (number, None)).collect();
            self.topics.insert(name, Seen { id, replicas, replicas_now: replicas, leaders, missed: 0 });
            self.remembered = true;
        }
    }

    /// Topics that are other ones since the last call: their ids, partitions and replicas.
    pub(crate) fn unsaved(&mut self) -> Vec<TopicRow> {
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
    pub(crate) fn save_all(&mut self) {
        self.unsaved = self.topics.keys().cloned().collect();
    }

    /// They could not be saved: they will be told again.
    pub(crate) fn not_saved(&mut self, topics: Vec<TopicRow>) {
        self.unsaved.extend(topics.into_iter().map(|(name, _)| name));
    }
}
