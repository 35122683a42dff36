//! Rows of the history file that keep judgements over a restart.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{anomaly::Baseline, progress::Verdict, status::Life};

/// The part of a judgement on a group and a topic that is saved in the history file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// The status, and the samples that it was judged from.
    pub(crate) life: Life,
    /// The verdict of each partition whose verdict is not `ok`.
    pub(crate) verdicts: BTreeMap<i32, Verdict>,
    /// When the group reached its verdict. `None` if the group has no verdict.
    pub(crate) judged: Option<SystemTime>,
}

/// The names of a group and a topic, and what is saved of them. `None` deletes the row.
pub(crate) type LifeRow = (Arc<str>, Arc<str>, Option<Kept>);

/// The name of a topic and its baseline. `None` deletes the row.
pub(crate) type BaselineRow = (Arc<str>, Option<Baseline>);
