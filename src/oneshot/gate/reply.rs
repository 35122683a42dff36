//! What a service answers at `/api/v1/gate`.

use serde::Deserialize;

/// The answer, open or closed.
#[derive(Debug, Clone, Deserialize)]
pub struct Reply {
    /// Whether the gates of all clusters are open.
    pub open: bool,
    /// The clusters that were asked for.
    pub clusters: Vec<Cluster>,
}

/// The gate of one cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct Cluster {
    /// The name of the cluster.
    pub cluster: String,
    /// Why the gate is closed; empty if it is open.
    pub reasons: Vec<Reason>,
    /// What is not looked at.
    pub not_checked: Vec<Reason>,
    /// The seconds until the gate opens if every condition holds from now on; `None` while one does not hold.
    pub seconds_left: Option<f64>,
}

/// Why a condition closes the gate, or why it is not looked at.
#[derive(Debug, Clone, Deserialize)]
pub struct Reason {
    /// The label of the condition.
    pub condition: String,
    /// Whole sentences, which may hold anything.
    pub sentence: String,
    /// The seconds since the condition was last found not to hold; `None` if it does not hold now.
    pub last_seen_seconds_ago: Option<f64>,
}
