//! From librdkafka's callbacks to the ledger.

use std::{
    sync::{Arc, mpsc::Sender},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::ledger::Event;
use crate::kafka::{Fault, native};

/// Passes librdkafka's reports on to the ledger.
pub(super) struct ClientCallbacks {
    pub(super) events: Sender<Event>,
    /// A client has failed for good.
    pub(super) failed: Arc<Notify>,
}

impl native::Listener for ClientCallbacks {
    fn delivered(&self, report: native::Report) {
        let native::Report { partition, token: sequence, at, result } = report;
        let event = match result {
            Ok(()) => Event::Acked { partition, sequence, at },
            Err(native::Undelivered { fault, sent: false, .. }) => {
                Event::Refused { partition, sequence, at, fault }
            }
            Err(native::Undelivered { fault, definite, .. }) => {
                Event::Failed { partition, sequence, at, fault, definite }
            }
        };
        // The ledger outlives the clients; an error here means the process is going down.
        _ = self.events.send(event);
    }

    fn failed(&self) {
        self.failed.notify_one();
    }

    fn unread(&self, at: Instant, fault: Fault) {
        _ = self.events.send(Event::Unread { at, fault });
    }

    fn throttled(&self, api: &'static str, time: Duration) {
        _ = self.events.send(Event::Throttled { api, time });
    }
}
