//! Rows of the history file that keep judgements over a restart.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{anomaly::Baseline, progress::Verdict, status::Life};

/// What survives a restart of a group on a topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) life: Life,
    /// Partitions that are not well.
    pub(crate) verdicts: BTreeMap<i32, Verdict>,
    /// Since when the group has had its verdict.
    pub(crate) judged: Option<SystemTime>,
}

/// What is remembered of a group on a topic; `None` if nothing is any more.
pub(crate) type LifeRow = (Arc<str>, Arc<str>, Option<Kept>);

/// What is usual on a topic; `None` if nothing is any more.
pub(crate) type BaselineRow = (Arc<str>, Option<Baseline>);
