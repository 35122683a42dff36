//! What the durability audit found in some time.

use crate::probe::durability::{Loss, Snapshot};

/// The number of acknowledged records that were read again, and of those that were lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audit {
    /// The number of times that a record was read again and compared.
    pub checked: u64,
    /// The number of lost records, in the order of [`Loss::ALL`].
    pub lost: [u64; Loss::ALL.len()],
}

impl Audit {
    /// The counts since the start of the audit.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self { checked: snapshot.checked.iter().map(|(_, count)| count).sum(), lost: snapshot.lost_by }
    }

    /// The number of lost records.
    pub fn lost(&self) -> u64 {
        self.lost.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether nothing was read again.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.checked = self.checked.saturating_add(other.checked);
        self.lost.iter_mut().zip(other.lost).for_each(|(sum, one)| *sum = sum.saturating_add(one));
    }

    /// The growth since earlier counts. `None` if a count is lower than before: the audit has started again.
    pub(super) fn since(&self, before: &Self) -> Option<Self> {
        let mut lost = self.lost;
        for (now, before) in lost.iter_mut().zip(before.lost) {
            *now = now.checked_sub(before)?;
        }
        Some(Self { checked: self.checked.checked_sub(before.checked)?, lost })
    }
}
