//! Acknowledged records that were lost, and how many were read again.

use std::sync::Arc;

use super::rows::WORST;
use crate::{board::Readings, probe::durability::LostRecord};

/// The durability audit in words.
pub(super) struct Durability {
    /// How many records were read again, and how many of them were lost.
    pub(super) words: String,
    pub(super) lost: Vec<LostRow>,
}

/// A lost record in words.
pub(super) struct LostRow {
    pub(super) acknowledged: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) reason: &'static str,
    pub(super) leader: String,
    pub(super) now: String,
}

/// The durability audit; `None` before its first cycle, and if it does not run. Lost records are shown while its cycles fail, too.
pub(super) fn durability(readings: &Readings) -> Option<Durability> {
    let (snapshot, _) = readings.durability.snapshot.as_ref()?;
    let checked: u64 = snapshot.checked.iter().map(|(_, count)| count).sum();
    let words = format!(
        "{checked} reads of acknowledged records, {} lost, {} to be read again",
        snapshot.lost.total(),
        snapshot.samples
    );
    Some(Durability { words, lost: snapshot.lost.since(0).rev().take(WORST).map(row).collect() })
}

fn row(record: &Arc<LostRecord>) -> LostRow {
    let sample = &record.sample;
    let leader = sample.leader.map_or("not known".to_owned(), |leader| leader.to_string());
    let acknowledged = humantime::format_rfc3339_seconds(sample.acknowledged).to_string();
    LostRow {
        acknowledged: acknowledged.replace('T', " ").replace('Z', ""),
        partition: sample.partition,
        offset: sample.offset,
        reason: record.loss.as_str(),
        leader: match sample.leader_epoch {
            Some(epoch) => format!("{leader}, epoch {epoch}"),
            None => leader,
        },
        now: record.now.clone(),
    }
}
