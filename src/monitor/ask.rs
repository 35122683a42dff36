//! The first step of a cycle: the committed offsets, the topology, and what Kafka shows to us.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::context::Context;
use crate::{cluster::metadata, collect::groups::Commits, kafka::admin::Visible};

/// What the first step found. Committed offsets are read before log ends: in the other order, a group that goes on reading
/// in between would be beyond the log end.
pub(super) struct Asked {
    begun: Instant,
    metadata: Arc<metadata::Snapshot>,
    is_new: bool,
    visible: Option<Visible>,
    commits: Commits,
}

impl Asked {
    /// Asks for the committed offsets, for the settings and reassignments of topics, and for what the principal may see.
    pub(super) async fn ask(context: &mut Context<'_>, metadata: Arc<metadata::Snapshot>) -> Self {
        let begun = Instant::now();
        let Context { cluster, connections, memory, .. } = context;
        let is_new = !memory.metadata.as_ref().is_some_and(|last| Arc::ptr_eq(last, &metadata));
        if is_new {
            let changes = memory.topology.observe(&metadata);
            memory.events.topology(SystemTime::now(), &cluster.name, changes);
            memory.metadata = Some(metadata.clone());
        }
        let (groups, faults) = (&mut memory.groups, &mut memory.faults);
        let commits = async {
            if cluster.lag.enabled {
                groups.ask(&connections.by_role, &metadata, &cluster.lag, faults).await
            } else {
                Commits::default()
            }
        };
        let (mut commits, failed, visible) = tokio::join!(
            commits,
            memory.topology.ask(&connections.any_broker, &metadata),
            Box::pin(memory.visibility.ask(&connections.any_broker, &metadata))
        );
        memory.groups.sees_all = visible.and_then(|visible| visible.groups);
        failed.into_iter().for_each(|(api, fault)| memory.faults.count(api, fault));
        commits.last = memory.lags.last_offsets(memory.groups.known());
        Self { begun, metadata, is_new, visible, commits }
    }

    /// When the cycle began.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// The metadata that the cycle works with.
    pub(super) fn metadata(&self) -> &metadata::Snapshot {
        &self.metadata
    }

    /// Whether no cycle before has worked with this metadata.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// What the principal may see; absent while no broker has answered that.
    pub(super) fn visible(&self) -> Option<Visible> {
        self.visible
    }

    pub(super) fn commits(&self) -> &Commits {
        &self.commits
    }

    pub(super) fn commits_mut(&mut self) -> &mut Commits {
        &mut self.commits
    }

    pub(super) fn into_commits(self) -> Commits {
        self.commits
    }
}
