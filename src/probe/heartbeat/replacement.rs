//! How the follower replaces the producer.

use std::{sync::Arc, time::Instant};

use super::{
    follower::{FINISH, Follower},
    ledger::Event,
    renewal::Renewal,
};
use crate::text::Chain;

impl Follower {
    /// A producer failed for good. If it is the current one, plans its replacement.
    pub(super) fn plan_repair(&mut self) {
        let failure = self.producer.borrow().failure();
        let Some(failure) = failure.filter(|_| self.repair.due().is_none()) else { return };
        let pause = self.repair.plan(Instant::now(), Renewal::FailedProducer);
        if self.repair.is_named() {
            let when = if pause.is_zero() { "now".to_owned() } else { format!("in {} s", pause.as_secs()) };
            let cluster = &self.cluster;
            tracing::warn!(
                cluster,
                "another producer of heartbeats replaces the one that failed {when}: {failure}"
            );
        }
    }

    /// Makes the replacement that is due.
    pub(super) fn repair(&mut self) {
        if let Some(why) = self.repair.reason() {
            self.replace_producer(why);
        }
    }

    /// Replaces the producer; heartbeats are held until its successor is connected. If the successor cannot be made, the
    /// producer stays, and another attempt is planned.
    pub(super) fn replace_producer(&mut self, why: Renewal) {
        let now = Instant::now();
        self.repair.begin(now);
        match (self.renew)() {
            Ok(fresh) => {
                self.start.renew_producer(now);
                self.publish_holds();
                let old = self.producer.send_replace(Arc::new(fresh));
                tokio::task::spawn_blocking(move || old.finish(FINISH));
                if self.events.send(Event::Renewed(why)).is_err() {
                    tracing::debug!("the ledger has stopped");
                }
            }
            Err(error) => {
                let (cluster, seconds) = (&self.cluster, self.repair.plan(now, why).as_secs());
                tracing::error!(
                    cluster,
                    "another producer of heartbeats cannot be made, the next attempt is in {seconds} s: {}",
                    Chain(&error)
                );
            }
        }
    }
}
