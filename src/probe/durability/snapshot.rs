//! What the task publishes.

use std::sync::Arc;

use super::{
    judge::{Loss, Unchecked},
    lost::LostRecords,
};

/// The counts since the start of the service, and the samples of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of records that were read again and compared, by the label of the age, the smallest age first.
    pub checked: Vec<(Arc<str>, u64)>,
    /// The number of lost records, in the order of [`Loss::ALL`].
    pub lost_by: [u64; Loss::ALL.len()],
    /// The newest lost records.
    pub lost: LostRecords,
    /// The number of samples that are not read any more, in the order of [`Unchecked::ALL`].
    pub unchecked: [u64; Unchecked::ALL.len()],
    /// The number of samples that are read again later.
    pub samples: usize,
    /// The number of those that were due in the last cycle and could not be read or judged.
    pub overdue: usize,
}
