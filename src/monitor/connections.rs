//! How the collection task reaches the brokers, and how often it does.

use std::{sync::Arc, time::Duration};

use crate::{config, kafka::wire};

/// The connections of the task. No other task shares them: a long answer must not hold up the short requests of others.
pub(super) struct Connections {
    /// For requests to the leader of a partition or to the coordinator of a group. A broker that is slow is avoided for the
    /// rest of the cycle.
    pub(super) by_role: wire::Cluster,
    /// For requests that any broker can answer. A broker that is slow to answer these is not avoided elsewhere.
    pub(super) any_broker: wire::Cluster,
    /// The client of the metadata task, which knows the addresses of the brokers.
    addresses: Arc<wire::Cluster>,
}

impl Connections {
    pub(super) fn new(addresses: Arc<wire::Cluster>, cluster: &config::Cluster) -> Self {
        let limit = request_timeout(cluster);
        let own = || addresses.with_own_connections(limit);
        Self { by_role: own().with_circuit_breakers(), any_broker: own(), addresses }
    }

    /// Learns the addresses that the metadata task has learned, and gives slow brokers another chance.
    pub(super) fn begin_cycle(&self) {
        self.by_role.begin_cycle(&self.addresses);
        self.any_broker.begin_cycle(&self.addresses);
    }
}

/// The time from the start of one cycle to the start of the next.
pub fn interval(cluster: &config::Cluster) -> Duration {
    match (cluster.lag.enabled, cluster.freshness.enabled) {
        (true, false) => cluster.lag.interval,
        (false, true) => cluster.freshness.interval,
        _ => cluster.lag.interval.min(cluster.freshness.interval),
    }
}

/// How long the task waits for an answer: half an interval at most, so that one broker that hangs does not delay the numbers
/// of the others beyond the cycle.
pub(super) fn request_timeout(cluster: &config::Cluster) -> Duration {
    cluster.metadata.timeout.min(interval(cluster) / 2)
}
