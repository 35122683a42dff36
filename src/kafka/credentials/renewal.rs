//! The loop that renews a credential before it expires. A renewal that fails is tried again.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::sleep};

use crate::backoff;

/// The share of its lifetime after which a credential is renewed.
const RENEWAL: f64 = 0.8;
/// The largest share of the lifetime by which a renewal is earlier, so that instances do not renew at the same time.
const JITTER: f64 = 0.1;
/// The longest pause after a renewal that failed.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The shortest pause between two renewals.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest sleep between two comparisons with the wall clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(10);

/// A source of credentials that are renewed.
pub(super) trait Renewed: Send + Sync + 'static {
    /// The state of the loop of this source.
    fn renewal(&self) -> &Renewal;

    /// Whether a renewal is due before its time: there is no credential that has not expired, or a broker refused it.
    fn is_due(&self) -> bool;

    /// Gets a credential, and publishes it or the failure. Returns the pause until the next renewal; `failures` is the number
    /// of failures in a row.
    fn renew_once(&self, failures: &mut u32) -> impl Future<Output = Duration> + Send;
}

/// The state of the loop of one source.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Whether the loop runs.
    begun: AtomicBool,
    /// Notified when a login needs a credential and the newest one has expired or was refused.
    wanted: Notify,
}

impl Renewal {
    /// Begins the loop of a source, unless it runs. Must be called inside a tokio runtime.
    pub(super) fn begin<S: Renewed>(source: &Arc<S>) {
        if !source.renewal().begun.swap(true, Ordering::Relaxed) {
            tokio::spawn(renew(Arc::downgrade(source)));
        }
    }

    /// Asks for a renewal now, because the newest credential has expired or was refused.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }
}

/// The share of the lifetime after which the next renewal is due.
pub(super) fn share() -> f64 {
    RENEWAL - JITTER * backoff::random()
}

/// Renews the credential of a source until the source has no user any more.
async fn renew<S: Renewed>(source: Weak<S>) {
    let _ended = Ended(source.clone());
    let mut failures = 0;
    loop {
        let Some(used) = source.upgrade() else { return };
        let pause = used.renew_once(&mut failures).await;
        let due = SystemTime::now() + pause;
        drop(used);
        // The wall clock decides: the machine may be suspended meanwhile, and the sleep would not know.
        while let Ok(left) = due.duration_since(SystemTime::now())
            && !left.is_zero()
        {
            let Some(used) = source.upgrade() else { return };
            tokio::select! {
                () = sleep(left.min(CLOCK_INTERVAL)) => {}
                () = used.renewal().wanted.notified(), if failures == 0 => {
                    // The login that asked may have waited for the credential that has just come.
                    if used.is_due() {
                        break;
                    }
                }
            }
        }
    }
}

/// Lets the next login begin the loop again when it has ended, such as after a panic.
struct Ended<S: Renewed>(Weak<S>);

impl<S: Renewed> Drop for Ended<S> {
    fn drop(&mut self) {
        if let Some(source) = self.0.upgrade() {
            source.renewal().begun.store(false, Ordering::Relaxed);
        }
    }
}
