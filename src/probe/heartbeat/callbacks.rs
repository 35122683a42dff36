//! The callbacks of librdkafka, as events for the ledger.

use std::{
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    id::HeartbeatId,
    ledger::{Event, Stored},
    record,
};
use crate::kafka::native;

/// Forwards the callbacks of both clients to the ledger.
pub(super) struct ClientCallbacks {
    pub(super) events: Sender<Event>,
    /// Notified when librdkafka gave a client up for good.
    pub(super) failed: Arc<Notify>,
}

impl ClientCallbacks {
    fn report(&self, event: Event) {
        // The ledger outlives the clients. An error here means that the process is going down.
        _ = self.events.send(event);
    }
}

impl native::Listener for ClientCallbacks {
    fn delivered(&self, report: native::Delivery<'_>) {
        let native::Delivery { partition, token: sequence, at, payload, result } = report;
        let id = HeartbeatId { partition, sequence };
        self.report(match result {
            Ok(offset) => {
                let stored = offset.zip(record::checksum(payload));
                Event::Acked { id, at, stored: stored.map(|(offset, checksum)| Stored { offset, checksum }) }
            }
            Err(native::DeliveryFailure { fault, sent: false, .. }) => Event::Refused { id, at, fault },
            Err(native::DeliveryFailure { fault, definite, .. }) => Event::Failed { id, at, fault, definite },
        });
    }

    fn failed(&self) {
        self.failed.notify_one();
    }

    fn throttled(&self, api: &'static str, time: Duration) {
        self.report(Event::Throttled { api, time });
    }
}
