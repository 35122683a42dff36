//! Words with systemd, where it is the one that started us (`Type=notify`).
//!
//! It is told when we listen and when we stop, and while the ledgers tick, that we live: one that hangs is restarted, one whose
//! Kafka is down is not.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::board::Board;

/// We listen. Does nothing where nobody asked.
pub fn ready(address: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("listening on {address}"))]);
}

/// We stop.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that we live, as often as was asked for, while we do.
pub async fn watch(boards: Vec<Board>, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut every = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        if boards.iter().all(Board::ledger_lives) {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!("systemd was not told: {error}");
    }
}
