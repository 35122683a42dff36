//! What the clusters of this process know of each other for mirrors.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use crate::{
    probe::heartbeat::{Feeds, Runs},
    sync::lock,
};

/// Names what is suspected in a cluster now, each as `kind:subject`.
#[derive(Clone)]
pub struct Suspected(Arc<dyn Fn() -> Vec<String> + Send + Sync>);

impl Suspected {
    /// Names what a function returns.
    pub fn new(read: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for Suspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Suspected")
    }
}

/// What the clusters of this process share. All values share the same state.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// The acknowledged heartbeats of each cluster.
    pub feeds: Feeds,
    /// The runs of this process.
    pub runs: Runs,
    suspected: Arc<Mutex<BTreeMap<String, Suspected>>>,
}

impl Peers {
    /// Sets what names the suspects of a cluster.
    pub fn publish(&self, cluster: &str, suspected: Suspected) {
        lock(&self.suspected).insert(cluster.to_owned(), suspected);
    }

    /// What is suspected in a cluster now. Empty if nothing is, or if the cluster does not run.
    pub(super) fn suspects_of(&self, cluster: &str) -> Vec<String> {
        let suspected = lock(&self.suspected).get(cluster).cloned();
        suspected.map(|suspected| suspected.0()).unwrap_or_default()
    }
}
