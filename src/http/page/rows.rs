//! A part of a long table.

/// The most rows of a table on the page itself.
pub(super) const WORST: usize = 10;

/// Some rows of a table.
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    /// The number of rows without a limit.
    pub(super) count: usize,
    /// The sentence that stands in place of a table without rows; absent where the table does not belong to the page.
    pub(super) empty: Option<&'static str>,
}

impl<T> Rows<T> {
    /// The table of a cluster that has not been collected from lately.
    pub(super) fn not_known(is_collected: bool, waits: bool) -> Self {
        let reason = match waits {
            true => "Not known here: another instance collects.",
            false => "Not known: no collection cycle has succeeded lately.",
        };
        let empty = is_collected.then_some(reason);
        Self { rows: Vec::new(), count: 0, empty }
    }
}
