//! Topics that survive a restart, so that changes while the service was stopped are reported.

use std::sync::Arc;

use super::watched::{Seen, WatchedTopology};
use crate::kafka::TopicId;

/// The row of a topic in the history file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicRow {
    /// The name of the topic.
    pub(crate) topic: Arc<str>,
    /// What is saved of the topic. `None` deletes the row.
    pub(crate) kept: Option<KeptTopic>,
}

/// The part of a topic that is saved in the history file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptTopic {
    /// The id of the topic. Absent with brokers before 2.8, which send no ids of topics.
    pub(crate) id: Option<TopicId>,
    /// The number of partitions.
    pub(crate) partitions: i32,
    /// The replication factor when no replica was being moved.
    pub(crate) replicas: usize,
}

impl WatchedTopology {
    /// Restores the topics of an earlier run.
    pub(crate) fn remember(&mut self, topics: Vec<TopicRow>) {
        for TopicRow { topic, kept } in topics {
            let Some(KeptTopic { id, partitions, replicas }) = kept else { continue };
            let leaders = (0..partitions).map(|number| (number, None)).collect();
            self.topics.insert(topic, Seen { id, replicas, replicas_now: replicas, leaders, missed: 0 });
            self.remembered = true;
        }
    }

    /// Returns the topics that were created, changed or deleted since the last call.
    pub(crate) fn unsaved(&mut self) -> Vec<TopicRow> {
        let kept = |seen: &Seen| KeptTopic {
            id: seen.id,
            partitions: i32::try_from(seen.leaders.len()).unwrap_or(i32::MAX),
            replicas: seen.replicas,
        };
        let row = |topic| TopicRow { kept: self.topics.get(&topic).map(kept), topic };
        std::mem::take(&mut self.unsaved).into_iter().map(row).collect()
    }

    /// Marks every topic as unsaved: the file was replaced and lacks all rows.
    pub(crate) fn save_all(&mut self) {
        self.unsaved = self.topics.keys().cloned().collect();
    }

    /// Takes back topics that could not be saved: the next call of [`Self::unsaved`] returns them again.
    pub(crate) fn not_saved(&mut self, topics: Vec<TopicRow>) {
        self.unsaved.extend(topics.into_iter().map(|row| row.topic));
    }
}
