//! Notifications to systemd, if systemd started the service with `Type=notify`.
//!
//! The service notifies systemd when it listens and when it stops, and regularly while its ledgers tick. Systemd restarts a
//! service that hangs, but not a service whose Kafka is down.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::{board::Board, boards::Boards};

/// Notifies systemd that the service listens on this address. Does nothing if systemd did not start the service.
pub fn ready(address: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(&format!("listening on {address}"))]);
}

/// Notifies systemd that the service reads its configuration again. [`reloaded`] ends this.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("systemd could not be notified: {error}"),
    }
}

/// Notifies systemd that the service has read its configuration again.
pub fn reloaded() {
    notify(&[NotifyState::Ready]);
}

/// Notifies systemd that the service stops.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Notifies the watchdog of systemd three times within its limit while every ledger ticks. Ends with `stop`, and at once if
/// the watchdog is not enabled.
pub async fn watch(boards: Boards, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut every = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        if boards.list().iter().all(Board::ledger_lives) {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!("systemd could not be notified: {error}");
    }
}
