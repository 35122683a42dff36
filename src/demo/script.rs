//! The script of faults that the embedded cluster plays.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use rdkafka::error::KafkaError;

use super::mock::{Cluster, TOPIC};

/// One act of the fault script.
struct Act {
    /// For the log.
    words: &'static str,
    lasts: Duration,
    play: fn(&Cluster) -> Result<(), KafkaError>,
}

const fn act(words: &'static str, seconds: u64, play: fn(&Cluster) -> Result<(), KafkaError>) -> Act {
    Act { words, lasts: Duration::from_secs(seconds), play }
}

/// The script is played again and again.
const SCRIPT: [Act; 7] = [
    act("all is well", 15, |_| Ok(())),
    act("broker 2 becomes slow: 600 ms a request", 12, |c| {
        c.broker_round_trip_time(2, Duration::from_millis(600))
    }),
    act("broker 2 is fast again", 8, |c| c.broker_round_trip_time(2, Duration::ZERO)),
    act("partition 0 moves to broker 3", 10, |c| c.partition_leader(TOPIC, 0, Some(3))),
    act("partition 0 moves back to broker 1", 8, |c| c.partition_leader(TOPIC, 0, Some(1))),
    act("broker 3 goes down", 12, |c| c.broker_down(3)),
    act("broker 3 is back", 15, |c| c.broker_up(3)),
];

/// Keeps the cluster until `until` is closed, and plays the script meanwhile if faults are wanted.
pub(super) fn live(cluster: &Cluster, faults: bool, until: &Receiver<()>) {
    if !faults {
        _ = until.recv();
        return;
    }
    for act in SCRIPT.iter().cycle() {
        tracing::info!("demo: {}", act.words);
        if let Err(error) = (act.play)(cluster) {
            tracing::warn!("demo: {}: {error}", act.words);
        }
        if until.recv_timeout(act.lasts) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
