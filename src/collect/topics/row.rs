//! One row of the history file for each partition.

use std::{collections::BTreeMap, sync::Arc};

use crate::{collect::history::History, kafka::TopicId};

/// One partition's history.
#[derive(Debug)]
pub(crate) struct HistoryRow {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) id: Option<TopicId>,
    /// `None` for a partition that was deleted.
    pub(crate) history: Option<History>,
}

impl HistoryRow {
    /// The row of a partition that was deleted.
    pub(crate) fn deleted(topic: &Arc<str>, partition: i32) -> Self {
        Self { topic: topic.clone(), partition, id: None, history: None }
    }
}

/// Histories by topic and partition.
pub(crate) type Loaded = BTreeMap<Arc<str>, (Option<TopicId>, BTreeMap<i32, History>)>;

/// Histories, by topic.
pub(crate) fn by_topic(rows: Vec<HistoryRow>) -> Loaded {
    let mut loaded = Loaded::new();
    for HistoryRow { topic, partition, id, history } in rows {
        let Some(history) = history else { continue };
        let (of, partitions) = loaded.entry(topic).or_insert_with(|| (id, BTreeMap::new()));
        // If rows of one topic name have different topic ids, the rows with the first id are taken.
        if *of == id {
            partitions.insert(partition, history);
        }
    }
    loaded
}
