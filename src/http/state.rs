//! What every answer is made from.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    access::Access,
    drawings::Drawings,
    written::{Writer, Written},
};
use crate::{
    boards::Boards,
    config::{Compat, Config, Slo},
    ha::Leadership,
    latency,
    metrics::ClusterLabel,
    probe::target::Modules,
    process::Process,
};

/// The most pages that are watched at the same time; each costs one rendering each second.
const MOST_WATCHERS: usize = 32;

/// What every answer is made from.
pub struct State {
    /// The board of each cluster.
    pub boards: Boards,
    /// `[labels]`: labels that every series carries.
    pub labels: BTreeMap<String, String>,
    /// `[compat]`: which metrics are exposed under the names of other exporters.
    pub compat: Compat,
    /// `[slo]`: the objectives, of which the page and the answer about a month show the error budget.
    pub slo: Slo,
    /// When the counters of the process began to count; absent unless `[http] created_timestamps` asks for it to be exposed.
    pub created: Option<SystemTime>,
    /// Reads what the process knows of itself.
    pub process: ReadProcess,
    /// How long the answers to scrapes took to be put together.
    pub scrapes: Arc<latency::SharedBuckets>,
    /// Cancelled when the service stops: it is no longer ready, and streams of events end.
    pub stop: CancellationToken,
    /// Where requests for reading the configuration again go. `None` if it cannot be read again.
    pub(super) reloads: Option<Reloads>,
    /// The modules of `/probe`.
    pub(super) modules: Arc<Modules>,
    /// Which clusters this instance collects.
    pub(super) leadership: Leadership,
    /// A permit for each page that may be watched at the same time.
    pub(super) watchers: Arc<Semaphore>,
    /// The series of the collectors as they were last written.
    pub(super) written: Written,
    /// The drawings of the page, as they were last made.
    pub(super) drawings: Drawings,
    /// `[http] mcp`: whether `/mcp` is answered.
    pub(super) mcp: bool,
    /// The credentials that requests must have; absent if every request is answered.
    pub(super) access: Option<Arc<Access>>,
}

/// Where requests for a reload go. Each brings the sender for its answer: what has changed, or why nothing was changed.
pub type Reloads = mpsc::Sender<oneshot::Sender<Result<String, String>>>;

/// Reads what the process knows of itself: its memory, its descriptors, its exports.
pub type ReadProcess = Box<dyn Fn() -> Process + Send + Sync>;

/// The state as handlers get it.
pub(super) type Shared = Arc<State>;

impl State {
    /// The state of a service that watches the clusters of these boards.
    pub fn new(
        boards: impl Into<Boards>,
        config: &Config,
        process: ReadProcess,
        scrapes: Arc<latency::SharedBuckets>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            boards: boards.into(),
            reloads: None,
            modules: Arc::default(),
            leadership: Leadership::alone(),
            labels: config.labels.clone(),
            compat: config.compat,
            slo: config.slo.clone(),
            drawings: Drawings::default(),
            created: config.http.created_timestamps.then(SystemTime::now),
            process,
            scrapes,
            stop,
            watchers: Arc::new(Semaphore::new(MOST_WATCHERS)),
            written: Written::default(),
            mcp: config.http.mcp,
            access: Access::new(&config.http),
        }
    }

    /// Answers also which clusters this instance collects.
    #[must_use]
    pub fn with_leadership(mut self, leadership: Leadership) -> Self {
        self.leadership = leadership;
        self
    }

    /// Lets `GET /probe` check brokers with these modules.
    #[must_use]
    pub fn with_modules(self, modules: Arc<Modules>) -> Self {
        Self { modules, ..self }
    }

    /// Lets `POST /-/reload` ask for the configuration to be read again.
    #[must_use]
    pub fn with_reloads(self, reloads: Reloads) -> Self {
        Self { reloads: Some(reloads), ..self }
    }

    /// How the series of this number of clusters are written.
    pub(super) fn writer(&self, clusters: usize) -> Writer<'_> {
        Writer {
            labels: &self.labels,
            compat: self.compat,
            created: self.created,
            cluster: ClusterLabel::of(clusters),
        }
    }
}
