//! The limit on the number of series of groups and partitions.

use crate::metrics::{Series, Sink};

/// Passes on so many series, and counts the others.
pub(super) struct Capped<'s, S> {
    /// Takes the series. What is pushed to it directly is not counted.
    pub(super) sink: &'s mut S,
    /// The number of series that are still passed on.
    pub(super) left: usize,
    /// The number of series that were not passed on.
    pub(super) dropped: u64,
}

impl<'a, S: Sink<'a>> Sink<'a> for Capped<'_, S> {
    fn push(&mut self, series: Series<'a>) {
        if self.left > 0 {
            self.left -= 1;
            self.sink.push(series);
        } else {
            self.dropped += 1;
        }
    }
}
