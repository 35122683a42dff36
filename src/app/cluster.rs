//! One cluster: its tasks, its heartbeats and its board.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::{
    checked::Checked,
    starter::{Started, Starter, Tasks},
};
use crate::{
    board::Board,
    kafka::{Error, native, wire},
    monitor::HistoryFile,
    probe::{
        extra_sessions,
        heartbeat::{
            threads::{Heartbeats, Inputs},
            trace_queue::TraceSender,
        },
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
        let starter = Starter::new(cluster.clone(), client.clone(), wire.clone());
        let Started { channels, nudge_metadata, mut running } = starter.start_all(history);

        let (metadata, nudge) = (channels.metadata.clone(), nudge_metadata.clone());
        let inputs = Inputs { cluster: cluster.clone(), wire, metadata, nudge, traces };
        let heartbeats = Heartbeats::start(inputs)?;
        let heartbeat = heartbeats.snapshot();

        let (publish, extra) = watch::channel(Arc::default());
        if cluster.connectivity.enabled {
            let inputs = extra_sessions::Inputs {
                cluster: cluster.clone(),
                client: client.clone(),
                heartbeat: heartbeat.clone(),
                connectivity: channels.connectivity.clone(),
                metadata: channels.metadata.clone(),
                nudge_metadata,
            };
            running.all.spawn(extra_sessions::run(inputs, publish, running.stop.clone()));
        }

        let (publish, verdict) = watch::channel(Arc::new(Verdict::unknown()));
        let inputs = channels.verdict_inputs(cluster, heartbeat.clone(), extra);
        running.all.spawn(verdict::run(inputs, publish, running.stop.clone()));

        let board = Board {
            name: cluster.name.as_str().into(),
            settings: cluster.clone(),
            started: SystemTime::now(),
            wire: client.clone(),
            heartbeat,
            tasks: channels,
            verdict,
        };
        Ok(Self { board, heartbeats, tasks: running })
    }

    /// The settings and the wire client of the cluster, for starting it again.
    pub(super) fn checked(&self) -> Checked {
        Checked { cluster: self.board.settings.clone(), wire: self.board.wire.clone() }
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
