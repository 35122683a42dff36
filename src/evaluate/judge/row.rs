//! Rows of the history file that keep judgements over a restart.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{anomaly::Baseline, progress::Progress, status::Life};

/// The part of a judgement on a group and a topic that is saved in the history file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// The status, and the samples that it was judged from.
    pub(crate) life: Life,
    /// The verdict of each partition whose verdict is not `ok`.
    pub(crate) verdicts: BTreeMap<i32, Progress>,
    /// When the group reached its verdict. `None` if the group has no verdict.
    pub(crate) judged: Option<SystemTime>,
}

/// The row of a group on a topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LifeRow {
    /// The name of the consumer group.
    pub(crate) group: Arc<str>,
    /// The name of the topic.
    pub(crate) topic: Arc<str>,
    /// What is saved of the judgement. `None` deletes the row.
    pub(crate) kept: Option<Kept>,
}

impl LifeRow {
    /// A row to be deleted.
    pub(super) fn deleted(group: &Arc<str>, topic: &Arc<str>) -> Self {
        Self { group: group.clone(), topic: topic.clone(), kept: None }
    }
}

/// The row of the usual traffic of a topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BaselineRow {
    /// The name of the topic.
    pub(crate) topic: Arc<str>,
    /// The usual traffic. `None` deletes the row.
    pub(crate) baseline: Option<Baseline>,
}
