//! Whether Kafka shows us all topics and all groups: it leaves out what we may not describe, without an error.
//!
//! Asked for once in ten minutes, and when the cluster has other brokers.

use tokio::time::Instant;

use crate::{
    kafka::{
        BrokerId, Fault,
        admin::{Visible, visible},
        capability::BELIEVED_FOR,
        wire,
    },
    probe::metadata,
};

/// What was last found out, and of which brokers.
#[derive(Debug, Default)]
pub(super) struct Sight {
    visible: Visible,
    asked: Option<Instant>,
    brokers: Vec<BrokerId>,
}

impl Sight {
    /// What Kafka shows us, as far as it is known. No answer is no knowledge, and is asked for again in the next cycle.
    pub(super) async fn ask(&mut self, wire: &wire::Cluster, metadata: &metadata::Snapshot) -> Visible {
        let is_same = self.brokers.iter().eq(metadata.brokers.keys());
        if is_same && self.asked.is_some_and(|asked| asked.elapsed() < BELIEVED_FOR) {
            return self.visible;
        }
        self.brokers = metadata.brokers.keys().copied().collect();
        let answer = visible(wire).await;
        let is_final = answer.as_ref().err().is_none_or(|error| error.fault() == Fault::Unsupported);
        self.visible = answer.unwrap_or_default();
        self.asked = is_final.then(Instant::now);
        self.visible
    }
}
