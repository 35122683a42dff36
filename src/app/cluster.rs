//! One cluster: its tasks, its heartbeats and its board.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::{
    checked::Checked,
    starter::{Starter, Tasks},
};
use crate::{
    board::Board,
    kafka::{Error, native, wire},
    monitor::HistoryFile,
    probe::heartbeat::{
        threads::{Heartbeats, Inputs},
        trace_queue::TraceSender,
    },
    verdict::{self, Verdict},
};

/// The running parts of one cluster.
pub struct Running {
    /// What the tasks publish.
    pub board: Board,
    heartbeats: Heartbeats,
    tasks: Tasks,
}

impl Running {
    /// Starts the tasks of a cluster. Connections are opened in the background.
    ///
    /// # Errors
    /// What [`Heartbeats::start`] refuses.
    pub fn start(
        checked: &Checked,
        history: HistoryFile,
        traces: Option<TraceSender>,
    ) -> Result<Self, Error> {
        let Checked { cluster, wire: client } = checked;
        native::warnings(cluster).iter().for_each(|words| tracing::warn!(cluster = cluster.name, "{words}"));
        let wire = Arc::new(wire::Cluster::new(client.clone(), cluster.metadata.timeout));
        let mut starter = Starter {
            cluster: cluster.clone(),
            client: client.clone(),
            wire: wire.clone(),
            tasks: Tasks::default(),
        };
        let (metadata, nudge) = starter.metadata();
        let connectivity = starter.connectivity(&metadata);
        let topic = starter.topic(&metadata, &nudge);
        let collect = starter.collection(&metadata, history);
        let transactions = starter.transactions(&metadata);
        let log_dirs = starter.log_dirs(&metadata);
        let mut tasks = starter.tasks;

        let inputs = Inputs { cluster: cluster.clone(), wire, metadata: metadata.clone(), nudge, traces };
        let heartbeats = Heartbeats::start(inputs)?;
        let heartbeat = heartbeats.snapshot();

        let (publish, verdict) = watch::channel(Arc::new(Verdict::unknown()));
        let inputs = verdict::Inputs {
            settings: cluster.heartbeat.clone(),
            expected_brokers: cluster.metadata.expected_brokers,
            heartbeat: heartbeat.clone(),
            connectivity: connectivity.clone(),
            metadata: metadata.clone(),
            topic: topic.clone(),
        };
        tasks.all.spawn(verdict::run(inputs, publish, tasks.stop.clone()));

        let board = Board {
            name: cluster.name.as_str().into(),
            settings: cluster.clone(),
            started: SystemTime::now(),
            wire: client.clone(),
            heartbeat,
            connectivity,
            metadata,
            topic,
            collect,
            transactions,
            log_dirs,
            verdict,
        };
        Ok(Self { board, heartbeats, tasks })
    }

    /// Waits until a task or a thread has ended, which none should.
    pub(super) async fn broken(&mut self) {
        tokio::select! {
            () = self.heartbeats.ended().cancelled_owned() => tracing::error!("a heartbeat thread has ended"),
            Some(ended) = self.tasks.all.join_next() => tracing::error!("a task has ended: {ended:?}"),
        }
    }

    /// Ends the heartbeats in order, then the tasks. Returns the board with the last snapshots.
    pub async fn stop(mut self, limit: Duration) -> Board {
        self.heartbeats.stop(limit).await;
        self.tasks.stop.cancel();
        while self.tasks.all.join_next().await.is_some() {}
        self.board
    }
}
