//! How long an export goes on, and how long it waits between two attempts.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use super::answer::{Again, Refused, Taken};

/// The first wait before another attempt; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// No collector can ask for a longer pause. An export is given up before that anyway, but a pause of 2^64 seconds could
/// not be added to a point in time.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The attempts of one export.
pub(in crate::export) struct Attempts {
    until: Instant,
    wait: Duration,
}

impl Attempts {
    /// None begins or lasts longer than this.
    pub(in crate::export) fn until(until: Instant) -> Self {
        Self { until, wait: FIRST_WAIT }
    }

    /// One attempt.
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

    /// Waits for the next attempt; `false` at once if none makes sense, or none in time.
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

/// From 0 up to 1, so that exporters that failed together do not come back together. A new hasher's keys are random.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
