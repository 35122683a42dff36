//! How the follower replaces the producer.

use std::{sync::Arc, time::Instant};

use super::{
    follower::{FINISH, Follower},
    ledger::Event,
    renewal::Renewal,
};
use crate::text::Chain;

impl Follower {
    /// Plans the replacement of the producer if librdkafka gave it up and no replacement is planned yet.
    pub(super) fn plan_repair(&mut self) {
        if self.repair.due().is_some() {
            return;
        }
        let Some(failure) = self.producer.borrow().failure() else { return };
        let pause = self.repair.plan(Instant::now(), Renewal::FailedProducer);
        if self.repair.is_logged() {
            let when = if pause.is_zero() { "now".to_owned() } else { format!("in {} s", pause.as_secs()) };
            let cluster = &self.cluster;
            tracing::warn!(
                cluster,
                "the producer of heartbeats failed and another producer replaces it {when}: {failure}"
            );
        }
    }

    /// Makes the planned replacement.
    pub(super) fn repair(&mut self) {
        if let Some(renewal) = self.repair.reason() {
            self.replace_producer(renewal);
        }
    }

    /// Replaces the producer. Heartbeats are held until the new producer is connected. If it cannot be created, the old
    /// one stays, and another attempt is planned.
    pub(super) fn replace_producer(&mut self, renewal: Renewal) {
        let now = Instant::now();
        self.repair.begin(now);
        match (self.make_producer)() {
            Ok(fresh) => {
                self.readiness.renew_producer(now);
                self.publish_holds();
                let old = self.producer.send_replace(Arc::new(fresh));
                tokio::task::spawn_blocking(move || old.finish(FINISH));
                if self.events.send(Event::Renewed(renewal)).is_err() {
                    tracing::debug!("the ledger has stopped");
                }
            }
            Err(error) => {
                let cluster = &self.cluster;
                let seconds = self.repair.plan(now, renewal).as_secs();
                tracing::error!(
                    cluster,
                    "another producer of heartbeats cannot be created, the next attempt is in {seconds} s: {}",
                    Chain(&error)
                );
            }
        }
    }
}
