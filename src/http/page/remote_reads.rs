//! The reads from remote storage.

use std::time::SystemTime;

use super::words::{UNKNOWN, ago, count, three_digits};
use crate::{
    board::{Readings, Task},
    kafka::{BrokerId, Capability},
    probe::remote_reads::Reads,
};

/// The reads from remote storage in words.
pub(super) struct RemoteReads {
    /// Whether there is something to read.
    pub(super) words: &'static str,
    /// Each broker with its reads, and whether they fail.
    pub(super) rows: Vec<(String, String, bool)>,
}

/// The reads from remote storage; `None` if nothing is read from it.
pub(super) fn remote_reads(readings: &Readings, wall: SystemTime) -> Option<RemoteReads> {
    if !Task::RemoteReads.runs(&readings.settings) {
        return None;
    }
    let Some(snapshot) = readings.remote_reads.fresh() else {
        return Some(RemoteReads { words: UNKNOWN, rows: Vec::new() });
    };
    let words = match snapshot.capability {
        Capability::Denied => "the principal may not read the heartbeat topic",
        Capability::Unsupported => "the brokers do not tell what is in remote storage",
        Capability::Unknown => "not known yet",
        Capability::Ok if snapshot.brokers.is_empty() => {
            "no record of the heartbeat topic is in remote storage alone"
        }
        Capability::Ok => "records of the heartbeat topic that are in remote storage alone",
    };
    let rows = snapshot.brokers.iter().map(|(broker, reads)| row(*broker, reads, wall)).collect();
    Some(RemoteReads { words, rows })
}

fn row(broker: BrokerId, reads: &Reads, wall: SystemTime) -> (String, String, bool) {
    let partitions = match reads.partitions.and_then(|partitions| i128::try_from(partitions).ok()) {
        Some(partitions) => count(partitions, "partition"),
        None => "its partitions are not known now".to_owned(),
    };
    let words = match (&reads.failing, reads.last) {
        (Some(failing), _) => {
            let (times, fault) = (failing.times, failing.fault.as_str());
            let (partition, offset, since) = (failing.partition, failing.offset, ago(failing.since, wall));
            format!(
                "{partitions}; {times} reads in a row failed for {since}, the last one of partition {partition} at offset \
                 {offset}: {fault}"
            )
        }
        (None, Some(took)) => format!("{partitions}; the last read took {}", three_digits(took)),
        (None, None) => format!("{partitions}; nothing was read yet"),
    };
    (format!("broker {broker}"), words, reads.failing.is_some())
}
