//! One cluster: its tasks, its heartbeats and its board.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{Notify, watch};

use super::{
    checked::Checked,
    starter::{Started, Starter, Tasks},
};
use crate::{
    availability::{self, Timeline},
    board::{Board, Channels},
    cluster::sections::Sections,
    gate::Gate,
    ha::Leadership,
    kafka::{Error, native, wire},
    monitor::{EventSource, HistoryFile},
    probe::{
        extra_sessions,
        heartbeat::{
            self,
            threads::{Heartbeats, Inputs},
            trace_queue::{Suspects, TraceSender},
        },
        mirrors::{Peers, Suspected},
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

/// What the clusters of the process share.
#[derive(Clone)]
pub struct Shared {
    /// The file that keeps what was measured.
    pub history: HistoryFile,
    /// Where heartbeats go that are exported as traces. `None` if none are.
    pub traces: Option<TraceSender>,
    /// What the clusters know of each other's brokers.
    pub sections: Sections,
    /// What the clusters know of each other for mirrors.
    pub peers: Peers,
    /// Which clusters this instance collects.
    pub leadership: Leadership,
}

impl Shared {
    /// For a command that watches one cluster and keeps nothing.
    pub fn nothing() -> Self {
        Self {
            history: HistoryFile::NotConfigured,
            traces: None,
            sections: Sections::default(),
            peers: Peers::default(),
            leadership: Leadership::alone(),
        }
    }
}

/// The heartbeats and the tasks that are started, and the notification that requests new metadata.
type Parts<'a> = (&'a watch::Receiver<Arc<heartbeat::Snapshot>>, &'a Channels, &'a Arc<Notify>);

/// Starts the extra sessions with the brokers that may be to blame, unless sessions are switched off.
fn start_extra_sessions(
    Checked { cluster, wire: client }: &Checked,
    (heartbeat, channels, nudge_metadata): Parts<'_>,
    sections: &Sections,
    running: &mut Tasks,
) -> watch::Receiver<Arc<extra_sessions::Snapshot>> {
    let (publish, snapshot) = watch::channel(Arc::default());
    if cluster.connectivity.enabled {
        let inputs = extra_sessions::Inputs {
            cluster: cluster.clone(),
            client: client.clone(),
            heartbeat: heartbeat.clone(),
            connectivity: channels.connectivity.clone(),
            metadata: channels.metadata.clone(),
            sections: sections.clone(),
            nudge_metadata: nudge_metadata.clone(),
        };
        running.all.spawn(extra_sessions::run(inputs, publish, running.stop.clone()));
    }
    snapshot
}

/// A mirror has copied what it could not copy within this time after its source has recovered.
const MIRROR_RECOVERS: Duration = Duration::from_secs(60);

/// Lets mirrors of other clusters know what is suspected in this cluster.
fn publish_suspects(cluster: &str, verdict: &watch::Receiver<Arc<Verdict>>, peers: &Peers) {
    let read = verdict.clone();
    peers.publish(
        cluster,
        Suspected::new(move || read.borrow().suspects_of_kafka_since(SystemTime::now() - MIRROR_RECOVERS)),
    );
}

/// Starts the task that records what is measured.
fn start_recording(inputs: availability::Inputs, running: &mut Tasks) -> watch::Receiver<Arc<Timeline>> {
    let (publish, timeline) = watch::channel(Arc::default());
    running.all.spawn(availability::run(inputs, publish, running.stop.clone()));
    timeline
}

impl Running {
    /// Starts the tasks of a cluster. Connections are opened in the background.
    ///
    /// # Errors
    /// What [`Heartbeats::start`] refuses.
    pub fn start(checked: &Checked, shared: Shared) -> Result<Self, Error> {
        let Checked { cluster, wire: client } = checked;
        let Shared { history, traces, sections, peers, leadership } = shared;
        native::warnings(cluster).iter().for_each(|words| tracing::warn!(cluster = cluster.name, "{words}"));
        let wire = Arc::new(wire::Cluster::new(client.clone(), cluster.metadata.timeout));
        let (publish_verdict, verdict) = watch::channel(Arc::new(Verdict::unknown()));
        let read = verdict.clone();
        let events = EventSource::new(move || read.borrow().events.clone());
        let read = verdict.clone();
        let traces =
            traces.map(|traces| traces.with(Suspects::new(move |from| read.borrow().suspects_since(from))));
        publish_suspects(&cluster.name, &verdict, &peers);
        let mut starter =
            Starter::new(cluster.clone(), client.clone(), wire.clone(), peers.clone(), &leadership);
        let (metadata, nudge) = starter.metadata();
        let inputs = Inputs {
            cluster: cluster.clone(),
            wire,
            metadata: metadata.clone(),
            nudge: nudge.clone(),
            traces,
            feed: peers.feeds.of(&cluster.name),
            runs: peers.runs.clone(),
        };
        let heartbeats = Heartbeats::start(inputs)?;
        let heartbeat = heartbeats.snapshot();
        let Started { channels, nudge_metadata, mut running } =
            starter.start_all((metadata, nudge), &heartbeat, history.clone(), events);

        let started = (&heartbeat, &channels, &nudge_metadata);
        let extra = start_extra_sessions(checked, started, &sections, &mut running);
        let inputs = channels.verdict_inputs(cluster, heartbeat.clone(), extra, sections);
        running.all.spawn(verdict::run(inputs, publish_verdict, running.stop.clone()));

        let inputs = channels.gate_inputs(cluster, heartbeat.clone(), verdict.clone());
        let (gate, memory) = Gate::new(inputs, nudge_metadata);
        running.all.spawn(memory.run(running.stop.clone()));

        let inputs =
            channels.availability_inputs(cluster, heartbeat.clone(), verdict.clone(), history.clone());
        let availability = start_recording(inputs, &mut running);

        let board = Board {
            name: cluster.name.as_str().into(),
            settings: cluster.clone(),
            started: SystemTime::now(),
            wire: client.clone(),
            heartbeat,
            tasks: channels,
            verdict,
            gate,
            availability,
            history_file: history,
            leadership,
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
