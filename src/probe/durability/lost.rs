//! The records that were found to be lost.

use std::{sync::Arc, time::SystemTime};

use super::{judge::Loss, sample::Sample};
use crate::newest::Newest;

/// An acknowledged record that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecord {
    /// The heartbeat topic.
    pub topic: Arc<str>,
    /// The heartbeat, and how it was acknowledged.
    pub sample: Sample,
    /// How it was lost.
    pub loss: Loss,
    /// What is at its offset now: a clause such as `the log ends at offset 17`.
    pub now: String,
    /// The time at which the loss was found.
    pub found: SystemTime,
}

impl LostRecord {
    /// The loss in whole sentences.
    pub fn sentence(&self) -> String {
        let Self { topic, sample, loss, now, .. } = self;
        let Sample { partition, offset, acknowledged, leader, leader_epoch, .. } = sample;
        let leader = leader.map_or("the leader".to_owned(), |leader| format!("broker {leader}"));
        let epoch = leader_epoch.map(|epoch| format!(" in leader epoch {epoch}")).unwrap_or_default();
        let at = humantime::format_rfc3339_millis(*acknowledged);
        format!(
            "The record at offset {offset} of partition {partition} of topic {topic} is lost ({}): {leader} acknowledged it{epoch} at {at}, and now {now}.",
            loss.as_str()
        )
    }
}

/// The newest lost records, and how many there were since the start.
pub type LostRecords = Newest<LostRecord, 200>;
