//! The deadline of an export, and the wait between two attempts.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::{Again, Refused, Taken};
use crate::backoff;

/// The first wait before another attempt. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A collector cannot ask for a longer pause. An export is given up before that anyway, but a pause of 2^64 seconds could
/// not be added to an instant.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The attempts of one export.
pub(in crate::export) struct Attempts {
    until: Instant,
    /// The number of pauses since the last success.
    pauses: u32,
}

impl Attempts {
    /// Attempts that end at this instant at the latest.
    pub(in crate::export) fn until(until: Instant) -> Self {
        Self { until, pauses: 0 }
    }

    /// Makes one attempt.
    pub(in crate::export) async fn make(
        &mut self,
        attempt: impl Future<Output = Result<Taken, Refused>>,
    ) -> Result<Taken, Refused> {
        let late =
            |_| Refused { words: "the collector did not answer in time".to_owned(), again: Again::Soon };
        let taken = tokio::time::timeout_at(self.until, attempt).await.map_err(late)??;
        self.pauses = 0;
        Ok(taken)
    }

    /// Waits for the next attempt. Returns `false` at once if no attempt makes sense, or none before the deadline.
    pub(in crate::export) async fn pause(&mut self, again: Again) -> bool {
        let pause = match again {
            Again::Never | Again::Smaller => return false,
            // Exporters that failed together should not return together.
            Again::Soon => backoff::pause(FIRST_WAIT, LONGEST_WAIT, self.pauses.saturating_add(1))
                .mul_f64(0.5 + backoff::random()),
            Again::After(pause) => pause.min(LONGEST_PAUSE),
        };
        if Instant::now() + pause >= self.until {
            return false;
        }
        tokio::time::sleep(pause).await;
        self.pauses = self.pauses.saturating_add(1);
        true
    }
}
