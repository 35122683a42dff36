//! The deadline of an export, and the wait between two attempts.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use super::answer::{Again, Refused, Taken};

/// The first wait before another attempt. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A collector cannot ask for a longer pause. An export is given up before that anyway, but a pause of 2^64 seconds could
/// not be added to an instant.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The attempts of one export.
pub(in crate::export) struct Attempts {
    until: Instant,
    wait: Duration,
}

impl Attempts {
    /// Attempts that end at this instant at the latest.
    pub(in crate::export) fn until(until: Instant) -> Self {
        Self { until, wait: FIRST_WAIT }
    }

    /// Makes one attempt.
    pub(in crate::export) async fn make(
        &mut self,
        attempt: impl Future<Output = Result<Taken, Refused>>,
    ) -> Result<Taken, Refused> {
        let late =
            |_| Refused { words: "the collector did not answer in time".to_owned(), again: Again::Soon };
        let taken = tokio::time::timeout_at(self.until, attempt).await.map_err(late)??;
        self.wait = FIRST_WAIT;
        Ok(taken)
    }

    /// Waits for the next attempt. Returns `false` at once if no attempt makes sense, or none before the deadline.
    pub(in crate::export) async fn pause(&mut self, again: Again) -> bool {
        let pause = match again {
            Again::Never | Again::Smaller => return false,
            Again::Soon => self.wait.mul_f64(0.5 + random()),
            Again::After(pause) => pause.min(LONGEST_PAUSE),
        };
        if Instant::now() + pause >= self.until {
            return false;
        }
        tokio::time::sleep(pause).await;
        self.wait = (2 * self.wait).min(LONGEST_WAIT);
        true
    }
}

/// A random number from 0 to 1, so that exporters that failed together do not return together. The keys of a new hasher
/// are random.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
