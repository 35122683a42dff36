//! What the steps of a cycle work with.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::connections::Connections;
use crate::{
    cluster::{Faults, metadata},
    collect::{groups, topics, topology, visibility::Visibility},
    config,
    evaluate::{events, groups::Lags, judge::Judge, rebalances},
    timelag::{batches::RecordBatches, search::Searches},
};

/// Everything that is remembered from one cycle to the next.
#[derive(Default)]
pub(super) struct Memory {
    /// The metadata that the last cycle worked with.
    pub(super) metadata: Option<Arc<metadata::Snapshot>>,
    pub(super) topics: topics::WatchedTopics,
    pub(super) groups: groups::WatchedGroups,
    pub(super) lags: Lags,
    pub(super) rebalances: rebalances::Watch,
    pub(super) topology: topology::WatchedTopology,
    pub(super) visibility: Visibility,
    pub(super) batches: RecordBatches,
    pub(super) searches: Searches,
    pub(super) judge: Judge,
    pub(super) events: events::Log,
    pub(super) faults: Faults,
}

/// A clock that is never set back. It counts from the time that the samples in the history file count from, or from the start
/// of the task if there is no file.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnClock {
    started: Instant,
    /// The time that the clock showed at the start of the task.
    pub(super) at_start: Duration,
}

impl OwnClock {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), at_start: Duration::ZERO }
    }

    pub(super) fn now(&self) -> Duration {
        self.at_start + self.started.elapsed()
    }
}

/// What each step of a cycle gets.
pub(super) struct Context<'a> {
    pub(super) cluster: &'a config::Cluster,
    pub(super) connections: &'a Connections,
    pub(super) clock: OwnClock,
    pub(super) memory: &'a mut Memory,
}
