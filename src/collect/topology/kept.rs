//! Topics that survive a restart, so that changes while the service was stopped are reported.

use std::sync::Arc;

use super::watched::{Seen, Watched};
use crate::kafka::TopicId;

/// The name of a topic, and its id, number of partitions and number of replicas. They are absent if the topic was deleted.
pub(crate) type TopicRow = (Arc<str>, Option<(Option<TopicId>, i32, usize)>);

impl Watched {
    /// Restores the topics of an earlier run.
    pub(crate) fn remember(&mut self, topics: Vec<TopicRow>) {
        for (name, topic) in topics {
            let Some((id, partitions, replicas)) = topic else { continue };
            let leaders = (0..partitions).map(|number| (number, None)).collect();
            self.topics.insert(name, Seen { id, replicas, replicas_now: replicas, leaders, missed: 0 });
            self.remembered = true;
        }
    }

    /// Returns the topics that were created, changed or deleted since the last call.
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

    /// Marks every topic as unsaved: the file was replaced and lacks all rows.
    pub(crate) fn save_all(&mut self) {
        self.unsaved = self.topics.keys().cloned().collect();
    }

    /// Takes back topics that could not be saved: the next call of [`Self::unsaved`] returns them again.
    pub(crate) fn not_saved(&mut self, topics: Vec<TopicRow>) {
        self.unsaved.extend(topics.into_iter().map(|(name, _)| name));
    }
}
