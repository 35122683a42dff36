//! The length of the longest request that the collector is expected to take.
//!
//! A collector does not say how long a request may be: it refuses what is too long. After a refusal the requests are
//! half as long. A limit can be raised, and a refusal can come from a proxy that was there for a while, so after some
//! exports that the collector accepted completely, the requests grow again. Each attempt to grow that is refused costs one
//! refused request, so the next attempt comes later.

use super::requests::LONGEST;

/// A request of so many bytes is not cut: a receiver that finds it too large does not mean its size.
const SMALLEST: usize = 16 << 10;

/// The number of completely accepted exports from one attempt to grow to the next …
const FIRST_PATIENCE: u32 = 5;
/// … which is doubled after each refused attempt, up to this: two thirds of a day, where the interval is a minute.
const LONGEST_PATIENCE: u32 = 1_000;

/// How long a request may be, in bytes.
#[derive(Debug)]
pub(super) struct Longest {
    /// `None` where no request was ever too large, or where the requests have grown up to the encoder's own limit.
    limit: Option<usize>,
    /// The limit before the last attempt to grow, until the collector took a request that is longer.
    before: Option<usize>,
    /// The number of exports to take before the next attempt to grow, …
    patience: u32,
    /// … and the number that was taken since the last change.
    taken: u32,
    /// Whether a request of the export under way was cut.
    cut: bool,
}

impl Default for Longest {
    fn default() -> Self {
        Self { limit: None, before: None, patience: FIRST_PATIENCE, taken: 0, cut: false }
    }
}

impl Longest {
    /// The limit that a request of this length exceeds.
    pub(super) fn exceeded_by(&mut self, length: usize) -> Option<usize> {
        let exceeded = self.limit.filter(|limit| length > *limit);
        self.cut |= exceeded.is_some();
        exceeded
    }

    /// The collector found a request of this length too large. Returns the new limit, or `None` if the request is so
    /// short that its length cannot be the reason.
    pub(super) fn refused(&mut self, length: usize) -> Option<usize> {
        if length <= SMALLEST {
            return None;
        }
        self.taken = 0;
        let limit = match self.before.take() {
            Some(before) if before < length => {
                self.patience = (2 * self.patience).min(LONGEST_PATIENCE);
                before
            }
            _ => length / 2,
        };
        self.limit = Some(limit.max(SMALLEST));
        self.limit
    }

    /// The collector took a request of this length.
    pub(super) fn taken(&mut self, length: usize) {
        if self.before.is_some_and(|before| length > before) {
            self.before = None;
            self.patience = FIRST_PATIENCE;
        }
    }

    /// An export has ended; `complete` if the collector accepted all of it. Only a complete export that had to be cut is a
    /// reason for longer requests.
    pub(super) fn ended(&mut self, complete: bool) {
        let was_cut = std::mem::take(&mut self.cut);
        let Some(limit) = self.limit else { return };
        if !was_cut || !complete {
            return;
        }
        self.taken += 1;
        if self.taken >= self.patience {
            self.taken = 0;
            self.before = Some(limit);
            self.limit = Some(2 * limit).filter(|limit| *limit < LONGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests of an export of so many bytes to a collector with this limit: the refused ones, and the taken ones.
    fn export(longest: &mut Longest, bytes: usize, collector: usize) -> (usize, usize) {
        let (mut refused, mut taken, mut left) = (0, 0, vec![bytes]);
        while let Some(length) = left.pop() {
            if let Some(limit) = longest.exceeded_by(length) {
                left.extend([length - limit, limit]);
            } else if length > collector {
                refused += 1;
                longest.refused(length).expect("a collector with a limit above the smallest request");
                left.push(length);
            } else {
                taken += 1;
                longest.taken(length);
            }
        }
        longest.ended(true);
        (refused, taken)
    }

    #[test]
    fn raised_limit_is_found_and_unchanged_limit_is_tried_ever_more_rarely() {
        const EXPORT: usize = 2 << 20;
        let mut longest = Longest::default();
        assert_eq!(export(&mut longest, EXPORT, 300_000), (3, 8));
        let refused: usize = (0..1_000).map(|_| export(&mut longest, EXPORT, 300_000).0).sum();
        assert!((5..=8).contains(&refused), "{refused} refused requests in a thousand exports");
        let mut exports = 0;
        while export(&mut longest, EXPORT, usize::MAX).1 > 1 {
            exports += 1;
            assert!(exports < 2_000, "the limit never grows: {longest:?}");
        }
        assert_eq!(export(&mut longest, EXPORT, usize::MAX), (0, 1));
    }

    #[test]
    fn limit_never_falls_below_the_smallest_request_and_is_not_above_what_was_refused() {
        let mut longest = Longest::default();
        for length in [LONGEST, 100_000, 40_000, SMALLEST + 1] {
            let limit = longest.refused(length).expect("a limit");
            assert!((SMALLEST..length).contains(&limit), "{limit} after {length}");
        }
        assert_eq!(longest.refused(SMALLEST), None);
    }

    #[test]
    fn exports_that_failed_or_that_were_not_cut_do_not_make_requests_longer() {
        let mut longest = Longest::default();
        longest.refused(200_000);
        for _ in 0..100 {
            longest.ended(true);
            longest.exceeded_by(200_000);
            longest.ended(false);
        }
        assert_eq!(longest.exceeded_by(100_001), Some(100_000));
    }
}
