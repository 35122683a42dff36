//! How the follower replaces the producer: one that failed, and one with older certificates.

use std::{sync::Arc, time::Instant};

use super::{
    assignment::Assignment,
    follower::{FINISH, Follower},
    handover::{Prepared, RENEWAL, Step},
    ledger::Event,
    renewal::Renewal,
};
use crate::{
    kafka::{Error, native},
    text::Chain,
};

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
        // A producer that is prepared may know the topic that was deleted, and the consumer has to be replaced as well.
        if self.handover.cancel() {
            self.handover.attempts.plan(now, RENEWAL);
        }
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

    /// Takes one step of a handover.
    pub(super) fn hand_over(&mut self, step: Step) {
        match step {
            Step::Plan => _ = self.handover.attempts.plan(Instant::now(), RENEWAL),
            Step::Prepare => self.prepare(),
            Step::Finish(Ok(prepared)) => self.take_over(prepared),
            Step::Finish(Err(error)) => self.plan_another_attempt(&error),
        }
    }

    /// Makes a producer, which connects to every leader on a thread of its own.
    fn prepare(&mut self) {
        self.handover.attempts.begin(Instant::now());
        match (self.make_producer)() {
            Ok(producer) => {
                self.handover.prepare(producer, self.topic.clone(), self.progress.leaders.clone());
            }
            Err(error) => self.plan_another_attempt(&error),
        }
    }

    /// Sends with the new producer from now on, and lets the reading thread prepare a new consumer.
    fn take_over(&mut self, Prepared { producer, partitions }: Prepared) {
        let cluster = &self.cluster;
        tracing::info!(cluster, "a producer of heartbeats with the renewed certificates takes over");
        self.readiness.hand_over_producer(partitions);
        let old = self.producer.send_replace(producer);
        let limit = self.handover.finish;
        native::run_aside(move || old.finish(limit));
        if self.events.send(Event::Renewed(RENEWAL)).is_err() {
            tracing::debug!("the ledger has stopped");
        }
        self.publish_holds();
        let renewal = Some(Renewal::ConsumerWithNewCertificates);
        self.assign(Assignment { renewal, ..self.assignment() });
    }

    fn plan_another_attempt(&mut self, error: &Error) {
        let attempts = &mut self.handover.attempts;
        let seconds = attempts.plan(Instant::now(), RENEWAL).as_secs();
        if attempts.is_logged() {
            tracing::warn!(
                cluster = self.cluster,
                fault = error.fault().as_str(),
                "the heartbeat clients cannot connect with the renewed certificates and those before go on, the next \
                 attempt is in {seconds} s: {}",
                Chain(error)
            );
        }
    }
}
