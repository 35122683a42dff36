//! The newest things of one kind that were found, and the number of all of them.

use std::{collections::VecDeque, sync::Arc};

/// The newest things that were found, at most `MOST`, and the number of all of them since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest<T, const MOST: usize> {
    total: u64,
    /// The oldest first.
    kept: VecDeque<Arc<T>>,
}

impl<T, const MOST: usize> Default for Newest<T, MOST> {
    fn default() -> Self {
        Self { total: 0, kept: VecDeque::new() }
    }
}

impl<T, const MOST: usize> Newest<T, MOST> {
    /// Adds one, and forgets the oldest one if there are too many.
    pub fn add(&mut self, found: T) {
        self.total += 1;
        if self.kept.len() >= MOST {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::new(found));
    }

    /// The number of all of them since the start.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Those after the first `count` ones, the oldest first, as far as they are kept.
    pub fn since(&self, count: u64) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        let news = usize::try_from(self.total.saturating_sub(count)).unwrap_or(usize::MAX);
        self.kept.iter().skip(self.kept.len().saturating_sub(news))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_ones_are_kept_and_all_of_them_are_counted() {
        let mut newest = Newest::<u64, 20>::default();
        (1..=25).for_each(|number| newest.add(number));
        assert_eq!(newest.total(), 25);
        assert!(newest.since(23).map(|number| **number).eq([24, 25]));
        assert!(newest.since(0).map(|number| **number).eq(6..=25));
        assert_eq!(newest.since(25).count() + newest.since(99).count(), 0);
    }
}
