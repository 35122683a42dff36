//! The task that records what is measured, and writes it to the history file once a minute.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    incident::{Ending, Watch},
    interval::Resolution,
    recorder::{Look, Recorder},
    timeline::{MOST_INCIDENTS, Timeline},
};
use crate::{
    monitor::HistoryFile,
    probe::{durability, heartbeat},
    store::{IncidentRow, IntervalRow, Kept, Store, Unsaved},
    task::Latest,
    verdict::Verdict,
};

/// The counters are looked at this often.
const EVERY: Duration = Duration::from_secs(1);

/// The oldest rows of the file are deleted this often, and with the first write.
const THIN: Duration = Duration::from_secs(3600);

/// The disk is waited for so long at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The disk is waited for so long at the start.
const PATIENCE_AT_START: Duration = Duration::from_secs(30);

/// What the task goes by.
pub struct Inputs {
    /// The name of the cluster in the configuration.
    pub cluster: String,
    /// What the ledger of heartbeats publishes.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
    /// Acknowledged heartbeats that were read again.
    pub durability: watch::Receiver<Latest<durability::Snapshot>>,
    /// The verdict on the cluster, from which incidents are recognised.
    pub verdict: watch::Receiver<Arc<Verdict>>,
    /// The file that keeps what was recorded.
    pub file: HistoryFile,
}

/// Records until `stop`, and publishes the timeline after each minute and when more is known of an incident. This is no cycle of a
/// task: it sends no request and cannot fail.
pub async fn run(inputs: Inputs, publisher: watch::Sender<Arc<Timeline>>, stop: CancellationToken) {
    let (timeline, mut writer) = Writer::open(&inputs).await;
    let mut incidents = Watch::after(timeline.last_end_ms());
    let mut recorder = Recorder::new(timeline);
    publisher.send_replace(Arc::new(recorder.timeline().clone()));
    loop {
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        let durability = inputs.durability.borrow().snapshot.clone();
        let durability = durability.as_ref().map(|(durability, _)| &**durability);
        let observed = recorder.observe(Look::at(&inputs.heartbeat.borrow(), durability));
        let now = (Instant::now(), SystemTime::now());
        let mut news = incidents.observe(now, &inputs.verdict.borrow(), observed.bad);
        if stopped {
            news.extend(incidents.end(Ending::Interrupted));
        } else if observed.is_over {
            news.extend(incidents.lasting());
        }
        let has_ended = stopped && recorder.finish();
        let has_changed = observed.is_over || has_ended || !news.is_empty();
        news.into_iter().for_each(|incident| recorder.note(incident));
        if has_changed {
            publisher.send_replace(Arc::new(recorder.timeline().clone()));
        }
        writer.write(&mut recorder).await;
        if stopped {
            return writer.end(&mut recorder).await;
        }
    }
}

/// What the file holds and the memory has room for.
///
/// # Errors
/// The file cannot be read, or the disk does not answer: the reason, in words.
async fn remembered(store: Arc<Store>, cluster: String) -> Result<Kept, String> {
    let most = Resolution::ALL.map(|resolution| (resolution.as_str(), resolution.in_memory()));
    let read = tokio::task::spawn_blocking(move || store.availability(&cluster, &most));
    match tokio::time::timeout(PATIENCE_AT_START, read).await {
        Ok(Ok(kept)) => kept.map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the disk does not answer".to_owned()),
    }
}

/// A write that is under way: the intervals, the beginnings of the incidents, and how it ended.
struct Writing {
    keys: Vec<(Resolution, i64)>,
    incidents: Vec<i64>,
    done: JoinHandle<Result<(), Unsaved>>,
}

/// Writes the history file.
struct Writer {
    cluster: String,
    /// `None` without a file.
    store: Option<Arc<Store>>,
    /// The generation of the file that holds what was written.
    generation: u64,
    writing: Option<Writing>,
    /// When the oldest rows were last deleted. `None` before the first write.
    thinned: Option<Instant>,
    /// Whether the last write failed, and the log says so.
    failing: bool,
}

impl Writer {
    /// Reads what the file holds, and writes to the file from now on.
    async fn open(inputs: &Inputs) -> (Timeline, Self) {
        let cluster = inputs.cluster.clone();
        let store = match &inputs.file {
            HistoryFile::Open(store) => Some(store.clone()),
            HistoryFile::NotConfigured | HistoryFile::NotOpened => None,
        };
        let kept = match &store {
            Some(store) => remembered(store.clone(), cluster.clone()).await,
            None => Ok(Kept::default()),
        };
        let (kept, store) = match kept {
            Ok(kept) => (kept, store),
            // Intervals that are written now would replace those that were not read.
            Err(error) => {
                tracing::warn!(
                    cluster,
                    "the minutes, quarters of an hour, days and incidents of before cannot be read from the history file, and \
                     none is added to it: {error}"
                );
                (Kept::default(), None)
            }
        };
        let writer = Self { cluster, store, generation: 0, writing: None, thinned: None, failing: false };
        (Timeline::remember(kept.intervals, kept.incidents), writer)
    }

    /// Begins to write what the file lacks, unless a write is under way.
    async fn write(&mut self, recorder: &mut Recorder) {
        if self.writing.as_ref().is_some_and(|writing| !writing.done.is_finished()) {
            return;
        }
        self.finish(recorder).await;
        let (intervals, incidents) = (recorder.unsaved(), recorder.unsaved_incidents());
        let is_nothing = intervals.is_empty() && incidents.is_empty();
        let Some(store) = self.store.clone().filter(|_| !is_nothing) else { return };
        let (keys, intervals): (Vec<_>, Vec<IntervalRow>) = BTreeMap::into_iter(intervals).unzip();
        let begun = incidents.iter().map(|IncidentRow { begin_ms, .. }| *begin_ms).collect();
        let rows = Kept { intervals, incidents };
        let (cluster, generation) = (self.cluster.clone(), self.generation);
        let is_due = self.thinned.is_none_or(|thinned| thinned.elapsed() >= THIN);
        if is_due {
            self.thinned = Some(Instant::now());
        }
        let done = tokio::task::spawn_blocking(move || {
            let most = Resolution::ALL.map(|resolution| (resolution.as_str(), resolution.in_file()));
            let most = if is_due { &most[..] } else { &[] };
            store.write_availability(&cluster, &rows, most, MOST_INCIDENTS, generation)
        });
        self.writing = Some(Writing { keys, incidents: begun, done });
    }

    /// Waits for the write that is under way, and remembers again what could not be written.
    async fn finish(&mut self, recorder: &mut Recorder) {
        let Some(Writing { keys, incidents, done }) = self.writing.take() else { return };
        let unsaved = match done.await {
            Ok(Ok(())) => return self.log(None),
            Ok(Err(unsaved)) => unsaved,
            Err(error) => Unsaved::Failed("other", error.to_string()),
        };
        recorder.not_saved(keys, incidents);
        match unsaved {
            Unsaved::Replaced(generation) => {
                self.generation = generation;
                recorder.save_all();
            }
            Unsaved::Failed(_, words) => self.log(Some(&words)),
        }
    }

    /// Writes the rest at the end, unless the disk does not answer.
    async fn end(mut self, recorder: &mut Recorder) {
        let cluster = self.cluster.clone();
        let rest = async {
            // The second write is for what the first one could not take, or for another file.
            for _ in 0..3 {
                self.finish(recorder).await;
                self.write(recorder).await;
            }
        };
        if tokio::time::timeout(PATIENCE, rest).await.is_err() {
            tracing::warn!(
                cluster,
                "the disk does not answer, and the service stops: the last minute is not in the history file"
            );
        }
    }

    /// Logs the first failure in a row, and the first success after it.
    fn log(&mut self, failure: Option<&str>) {
        let cluster = &self.cluster;
        match failure {
            Some(words) if !self.failing => {
                tracing::warn!(cluster, "the last minute cannot be written to the history file: {words}");
            }
            None if self.failing => tracing::info!(cluster, "minutes are written to the history file again"),
            _ => {}
        }
        self.failing = failure.is_some();
    }
}
