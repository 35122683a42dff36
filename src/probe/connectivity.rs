//! Can a session be opened to each broker, and where does the time go?
//!
//! Every check opens a fresh connection and goes through all stages; nothing is reused, so a check
//! says what a client that connects now would see. The timer starts before the name lookup.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use crate::{
    kafka::{BrokerId, Fault, Stage},
    latency::Buckets,
};

/// The last check of every broker of the metadata.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// By broker; one that left the metadata is gone.
    pub brokers: BTreeMap<BrokerId, Check>,
}

/// What is known of one broker's sessions.
#[derive(Debug, Clone)]
pub struct Check {
    /// The advertised host: hostile text.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The rack, where one is set.
    pub rack: Option<String>,
    /// The address that was connected to last.
    pub address: Option<IpAddr>,
    /// The stages of the last check that were completed, in order.
    pub stages: Vec<(Stage, Duration)>,
    /// Their sum, if the check succeeded.
    pub total: Option<Duration>,
    /// What ended the last check; `None` means up.
    pub failure: Option<Failure>,
    /// Since when the broker has been up, or down.
    pub since: SystemTime,
    /// Checks made.
    pub checks: u64,
    /// Checks that failed, by stage and kind.
    pub failures: BTreeMap<(Stage, Fault), u64>,
    /// Durations of the completed stages, by stage.
    pub durations: BTreeMap<Stage, Buckets>,
    /// Durations of successful checks.
    pub totals: Buckets,
    /// The earliest expiry in the broker's certificate chain.
    pub certificate_expiry: Option<SystemTime>,
    /// Mean of `total` over the last 60 s.
    pub mean_total: Option<Duration>,
}

impl Check {
    /// Whether the last check succeeded.
    pub fn up(&self) -> bool {
        self.failure.is_none()
    }
}

/// Where and why a check ended.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The stage.
    pub stage: Stage,
    /// The kind.
    pub fault: Fault,
    /// The whole chain of errors in one line: for the page and the log, hostile text.
    pub message: String,
}
