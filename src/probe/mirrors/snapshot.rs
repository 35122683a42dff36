//! What the task publishes.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::outcome::{Anomaly, Outcome, State, Translation};
use crate::{
    kafka::{Capability, Fault},
    latency::Buckets,
};

/// The mirrors whose target is the cluster.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The mirrors by name.
    pub mirrors: BTreeMap<Arc<str>, Status>,
}

impl Snapshot {
    /// Whether the mirrored topics may be read: [`Capability::Denied`] if one of them may not.
    pub fn capability(&self) -> Capability {
        worst(self.mirrors.values().map(|mirror| mirror.capability)).unwrap_or_default()
    }

    /// The same for the topics of checkpoints. `None` if no translated offsets are checked.
    pub fn checkpoints_capability(&self) -> Option<Capability> {
        worst(self.mirrors.values().filter_map(|mirror| mirror.checkpoints_capability))
    }
}

/// A refusal, if there is one among these states.
fn worst(states: impl Iterator<Item = Capability> + Clone) -> Option<Capability> {
    states.clone().find(|state| state.is_refusal()).or_else(|| states.max())
}

/// One mirror.
#[derive(Debug, Clone)]
pub struct Status {
    /// The name of the source cluster.
    pub source: Arc<str>,
    /// Whether the mirrored topic is read.
    pub state: State,
    /// Whether the principal may read the mirrored topic.
    pub capability: Capability,
    /// The names under which the mirrored topic is looked for.
    pub names: Vec<Arc<str>>,
    /// The topic in which heartbeats of the source were read. `None` before the first.
    pub topic: Option<Arc<str>>,
    /// The reason why the target is not read. `None` if it is read, and if no request failed.
    pub fault: Option<Fault>,
    /// What was counted since the start.
    pub counts: Counts,
    /// The number of heartbeats without an outcome.
    pub in_flight: u64,
    /// The number of heartbeats that have not arrived by their deadline and have no outcome so far. `None` while the target is not read.
    pub overdue: Option<u64>,
    /// How long ago the oldest of these was produced. `None` if there is none.
    pub oldest_overdue: Option<Duration>,
    /// When the newest heartbeat that was read had been produced. `None` before the first.
    pub newest: Option<SystemTime>,
    /// The deadline of a heartbeat.
    pub deadline: Duration,
    /// The offsets that the mirror translated. `None` if they are not checked, or if the target has no topic of checkpoints.
    pub checkpoints: Option<Checkpoints>,
    /// Whether the principal may read the topic of checkpoints. `None` if the translated offsets are not checked.
    pub checkpoints_capability: Option<Capability>,
    /// What is suspected in the source cluster, each as `kind:subject`. Empty if nothing is.
    pub source_suspects: Vec<String>,
}

/// The offsets that the mirror translated for the groups of the task `coordinators` of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    /// The topic of checkpoints.
    pub topic: Arc<str>,
    /// The number of checkpoints since the start, in the order of [`Translation::ALL`].
    pub counts: [u64; Translation::ALL.len()],
    /// The number of records that a group reads again in the target by the last right checkpoint. `None` before the first.
    pub repeated: Option<u64>,
    /// When the last checkpoint was read. `None` before the first.
    pub newest: Option<SystemTime>,
}

/// The counts since the start of the task: `expected` is the sum of the outcomes and of those in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// The number of heartbeats that the source acknowledged.
    pub expected: u64,
    /// The number of heartbeats with each outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// The number of records without an outcome of their own, in the order of [`Anomaly::ALL`].
    pub anomalies: [u64; Anomaly::ALL.len()],
    /// The number of acknowledged heartbeats that were not expected, because there was no room for them.
    pub dropped: u64,
    /// The time from producing a heartbeat in the source until it was read in the target.
    pub latency: Buckets,
}

impl Counts {
    /// Nothing, with an empty histogram.
    pub fn new(latency: Buckets) -> Self {
        Self {
            expected: 0,
            outcomes: [0; Outcome::ALL.len()],
            anomalies: [0; Anomaly::ALL.len()],
            dropped: 0,
            latency,
        }
    }

    /// The number of heartbeats with an outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Counts a record without an outcome of its own.
    pub(super) fn count(&mut self, anomaly: Anomaly) {
        self.anomalies[anomaly as usize] += 1;
    }
}
