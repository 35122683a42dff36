//! A partition of a topic.

use std::sync::Arc;

/// A topic and the number of one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The name of the topic, which is hostile text.
    pub topic: Arc<str>,
    /// The number of the partition.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition of a topic with this number.
    pub fn new(topic: &Arc<str>, partition: i32) -> Self {
        Self { topic: topic.clone(), partition }
    }
}
