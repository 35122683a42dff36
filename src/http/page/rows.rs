//! A part of a table.

/// The most rows of a table on the page itself.
pub(super) const WORST: usize = 10;

/// Rows, and how many there would be without a limit.
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    pub(super) count: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), count: 0 }
    }
}
