//! What survives a restart: read from the history file at the start, and written after a cycle.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::task::JoinHandle;

use super::context::{Memory, OwnClock};
use crate::{
    collect::topics::by_topic,
    config,
    store::{Changes, Store, Unsaved},
};

/// Samples are written this often, or after two cycles if that is sooner.
const EVERY: Duration = Duration::from_secs(60);

/// The file in which histories survive a restart.
#[derive(Debug, Clone)]
pub enum HistoryFile {
    /// No file is configured: histories are kept in memory alone.
    NotConfigured,
    /// The file that is configured could not be opened: histories are kept in memory alone.
    NotOpened,
    /// The file is open.
    Open(Arc<Store>),
}

/// What is known of writing the history.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Whether the file was opened and read at the start. If not, nothing is written until a restart.
    pub opened: bool,
    /// When something was last written, or the file was opened; absent if neither has happened.
    pub last: Option<SystemTime>,
    /// Failures since the start, by [`Unsaved::KINDS`].
    pub failures: BTreeMap<&'static str, u64>,
}

/// A write that is under way.
struct Writing {
    begun: Instant,
    done: JoinHandle<Outcome>,
}

/// How a write ended.
struct Outcome {
    result: Result<(), Unsaved>,
    changes: Changes,
    duration: Duration,
}

/// The file that is written to.
#[derive(Debug, Default)]
struct Target {
    generation: u64,
    /// The file holds nothing yet: everything has to be written to it.
    is_empty: bool,
}

/// How much is written.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// New samples too, and not only verdicts and events.
    samples: bool,
    /// Samples that only extend a time without records, too.
    idle: bool,
}

/// Writes the history file.
pub(super) struct Writer {
    store: Option<Arc<Store>>,
    /// When samples were last handed to a write, or the start.
    samples_written: Instant,
    /// The last write failed, and the log says so.
    failing: bool,
    writing: Option<Writing>,
    written: Option<Written>,
    target: Target,
    last_duration: Duration,
}

impl Writer {
    /// A writer without a file.
    pub(super) fn new() -> Self {
        Self {
            store: None,
            samples_written: Instant::now(),
            failing: false,
            writing: None,
            written: None,
            target: Target::default(),
            last_duration: Duration::ZERO,
        }
    }

    /// Continues from what the file holds of a cluster, and writes to it from now on.
    pub(super) fn open(
        &mut self,
        file: HistoryFile,
        cluster: &str,
        memory: &mut Memory,
        clock: &mut OwnClock,
    ) {
        let store = match file {
            HistoryFile::NotConfigured => return,
            HistoryFile::NotOpened => {
                self.written = Some(Written::default());
                return;
            }
            HistoryFile::Open(store) => store,
        };
        match store.load(cluster) {
            Ok(saved) => {
                clock.at_start = saved.age;
                memory.judge.remember(saved.lives, saved.baselines);
                memory.events.remember(saved.events);
                memory.topology.remember(saved.topics);
                memory.topics.remember(by_topic(saved.rows));
                let last = Some(SystemTime::now());
                self.written = Some(Written { opened: true, last, ..Written::default() });
                self.store = Some(store);
            }
            // Samples that are written now would count from another time than those in the file.
            Err(error) => {
                tracing::warn!(cluster, "the history cannot be read, and is not kept: {error}");
                self.written = Some(Written::default());
            }
        }
    }

    /// How writing goes; absent if no file is configured.
    pub(super) fn written(&self) -> Option<Written> {
        self.written.clone()
    }

    /// How long the last write took; zero before the first one.
    pub(super) fn last_duration(&self) -> Duration {
        self.last_duration
    }

    fn count_failure(&mut self, kind: &'static str) {
        *self.written.get_or_insert_default().failures.entry(kind).or_default() += 1;
    }

    /// Begins to write what has changed. Verdicts and events are written at once, samples once a minute. While the disk has not
    /// finished the write before, nothing is begun.
    pub(super) async fn save(&mut self, memory: &mut Memory, cluster: &config::Cluster, clock: OwnClock) {
        let under_way = self.writing.as_ref().filter(|writing| !writing.done.is_finished());
        if let Some(Writing { begun, .. }) = under_way {
            if begun.elapsed() > EVERY {
                if !self.failing {
                    self.count_failure("no_answer");
                }
                self.log(&cluster.name, Some("the disk does not answer".to_owned()));
            }
            return;
        }
        self.finish(memory, cluster).await;
        let every = EVERY.min(2 * cluster.lag.interval);
        let samples = self.samples_written.elapsed() > every;
        self.begin(Extent { samples, idle: false }, memory, cluster, clock);
    }

    /// Writes everything, at the end.
    pub(super) async fn save_all(&mut self, memory: &mut Memory, cluster: &config::Cluster, clock: OwnClock) {
        let everything = Extent { samples: true, idle: true };
        self.finish(memory, cluster).await;
        self.begin(everything, memory, cluster, clock);
        self.finish(memory, cluster).await;
        if self.target.is_empty {
            // The file was replaced since the last write, and the new one has to get everything.
            self.begin(everything, memory, cluster, clock);
            self.finish(memory, cluster).await;
        }
    }

    /// Begins to write.
    fn begin(&mut self, extent: Extent, memory: &mut Memory, cluster: &config::Cluster, clock: OwnClock) {
        let Some(store) = self.store.clone() else {
            memory.judge.drop_deletions();
            memory.events.unsaved();
            memory.topology.unsaved();
            memory.topics.drop_deletions();
            return;
        };
        let Target { generation, is_empty } = self.target;
        let samples = extent.samples || is_empty;
        if is_empty {
            memory.judge.save_all();
            memory.events.save_all();
            memory.topology.save_all();
        }
        if is_empty || extent.idle {
            memory.topics.save_all();
        }
        if samples {
            memory.judge.save_offsets();
        }
        let (lives, baselines) = memory.judge.unsaved();
        let mut changes = Changes {
            lives,
            baselines,
            events: memory.events.unsaved(),
            topics: memory.topology.unsaved(),
            ..Changes::default()
        };
        if samples {
            self.samples_written = Instant::now();
            changes.histories = memory.topics.unsaved();
        }
        // Once a minute something is written in any case: that shows that the file can be written.
        if changes.is_empty() && !samples {
            return;
        }
        let name = cluster.name.clone();
        let age = is_empty.then(|| clock.now());
        let begun = Instant::now();
        let write = move || {
            let result = store.write(&name, &changes, generation, age);
            Outcome { result, changes, duration: begun.elapsed() }
        };
        self.writing = Some(Writing { begun, done: tokio::task::spawn_blocking(write) });
    }

    /// Waits for the write that is under way, and remembers again what could not be written.
    async fn finish(&mut self, memory: &mut Memory, cluster: &config::Cluster) {
        let Some(writing) = &mut self.writing else { return };
        let ended = (&mut writing.done).await;
        self.writing = None;
        let unsaved = match ended {
            Ok(Outcome { result: Ok(()), duration, .. }) => {
                self.last_duration = duration;
                self.target.is_empty = false;
                self.written.get_or_insert_default().last = Some(SystemTime::now());
                return self.log(&cluster.name, None);
            }
            Ok(Outcome { result: Err(unsaved), changes, .. }) => {
                memory.topics.not_saved(changes.histories);
                memory.judge.not_saved(changes.lives, changes.baselines);
                memory.events.not_saved(changes.events);
                memory.topology.not_saved(changes.topics);
                unsaved
            }
            Err(error) => Unsaved::Failed("other", error.to_string()),
        };
        self.count_failure(unsaved.kind());
        match unsaved {
            // The store has logged that the file is another one. The next cycle writes everything to it.
            Unsaved::Replaced(generation) => self.target = Target { generation, is_empty: true },
            Unsaved::Failed(_, words) => self.log(&cluster.name, Some(words)),
        }
    }

    /// Logs the first failure in a row, and the first success after it.
    fn log(&mut self, cluster: &str, failure: Option<String>) {
        let before = std::mem::replace(&mut self.failing, failure.is_some());
        match failure {
            Some(words) if !before => {
                tracing::error!(
                    cluster,
                    "the history is kept in memory alone, until it can be written: {words}"
                );
            }
            None if before => tracing::info!(cluster, "the history is written again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::sync::watch;

    use super::*;
    use crate::{
        collect::topology::Change,
        config,
        evaluate::events::Event,
        kafka::wire,
        monitor::{EventSource, Probe},
        task::{Cycle, Latest},
    };

    fn probe(store: &Arc<Store>) -> Probe {
        let sources = config::Sources { bootstrap: Some("b:1".to_owned()), ..config::Sources::default() };
        let cluster = Arc::new(config::load(&sources).expect("valid").clusters.remove(0));
        let settings =
            Arc::new(wire::Client::from_properties(&cluster.name, &cluster.kafka).expect("good settings"));
        let known = Arc::new(wire::Cluster::new(settings, Duration::from_secs(1)));
        let metadata = watch::channel(Latest::new(Duration::from_secs(1))).1;
        Probe::new(cluster, known, metadata).with(HistoryFile::Open(store.clone()))
    }

    #[tokio::test]
    async fn history_that_could_not_be_opened_or_read_is_known_as_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let first = probe(&store);
        let opened = |probe: &Probe| {
            probe.history.written.as_ref().map(|written| (written.opened, written.last.is_some()))
        };
        assert_eq!(opened(&first), Some((true, true)), "opening writes to the file");
        store.spoil();
        assert_eq!(opened(&probe(&store)), Some((false, false)), "the file cannot be read");
        let mut again = first.with(HistoryFile::NotOpened);
        assert_eq!(opened(&again), Some((false, false)));
        again.history.written = None;
        assert_eq!(opened(&again.with(HistoryFile::NotConfigured)), None, "no file is configured");
    }

    #[tokio::test]
    async fn event_of_the_verdict_is_in_the_history_file_although_no_cycle_succeeds() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let event = |kind: &'static str| Event {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            kind: kind.into(),
            subject: "broker 3".to_owned(),
            words: "This ended after 12 s: Broker 3 does not answer.".to_owned(),
        };
        let events = Arc::new(VecDeque::from(["suspect_found", "suspect_cleared"].map(event).map(Arc::new)));
        let mut first = probe(&store).with_events_of(EventSource::new(move || events.clone()));
        first.cycle().await.expect_err("no metadata is ever published");
        first.history.finish(&mut first.memory, &first.cluster).await;
        let second = probe(&store);
        let kept = second.memory.events.view();
        let kept: Vec<_> = kept.iter().map(|event| Event::clone(event)).collect();
        assert_eq!(kept, ["suspect_found", "suspect_cleared"].map(event));
        first.end().await;
        assert_eq!(probe(&store).memory.events.view().len(), 2, "each event is written once");
    }

    #[tokio::test]
    async fn full_disk_loses_no_sample() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let mut first = probe(&store);
        store.limit(1);
        // More rows than the free pages of the file have room for.
        let topics = ["a", "b"].map(|name| name.repeat(100_000));
        for topic in &topics {
            let created = vec![(Change::TopicCreated, topic.clone()).into()];
            first.memory.events.topology(SystemTime::now(), "k", created);
            first.save().await;
            first.history.finish(&mut first.memory, &first.cluster).await;
            assert!(first.history.failing, "the disk is full");
        }
        store.limit(1 << 20);
        first.save_all().await;
        assert!(!first.history.failing, "there is room again");
        drop((first, store));
        let second = probe(&Arc::new(Store::open(&path).expect("the same file")));
        let events = second.memory.events.view();
        assert_eq!(
            events.iter().map(|event| &event.subject).collect::<Vec<_>>(),
            topics.iter().collect::<Vec<_>>()
        );
    }

    #[tokio::test]
    async fn history_file_that_was_removed_or_replaced_is_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let (mut first, mut other) = (probe(&store), probe(&store));
        Arc::make_mut(&mut other.cluster).name = "other".to_owned();
        let happens = |probe: &mut Probe, topic: &str| {
            probe.memory.events.topology(
                SystemTime::now(),
                "k",
                vec![(Change::TopicCreated, topic.to_owned()).into()],
            );
        };
        let subjects = |probe: &Probe| {
            let events = probe.memory.events.view();
            events.iter().map(|event| event.subject.clone()).collect::<Vec<_>>()
        };
        for (topic, take_away) in [
            ("a", None),
            ("b", Some(None)),
            ("c", Some(Some("another file took the place of the history file, and it is no database"))),
        ] {
            match take_away {
                None => {}
                Some(None) => std::fs::remove_file(&path).expect("it was there"),
                Some(Some(words)) => {
                    let another = folder.path().join("another");
                    std::fs::write(&another, words.repeat(40)).expect("another file");
                    std::fs::rename(&another, &path).expect("replaced");
                }
            }
            for probe in [&mut first, &mut other] {
                happens(probe, topic);
                // The first cycle notices that the file is another one, the second writes everything.
                for _ in 0..2 {
                    let samples = Extent { samples: true, idle: false };
                    probe.history.begin(samples, &mut probe.memory, &probe.cluster, probe.clock);
                    probe.history.finish(&mut probe.memory, &probe.cluster).await;
                }
                assert!(!probe.history.failing && !probe.history.target.is_empty);
            }
        }
        let written = first.history.written.as_ref().expect("a file is configured");
        assert_eq!(written.failures, BTreeMap::from([("replaced", 2)]));
        drop((first, other, store));
        let store = Arc::new(Store::open(&path).expect("the same file"));
        let second = probe(&store);
        assert_eq!(
            subjects(&second),
            ["a", "b", "c"],
            "events that were written to the removed file are written again"
        );
        assert_eq!(store.load("other").expect("a cluster").events.len(), 3);
    }

    #[tokio::test]
    async fn disk_that_hangs_delays_no_cycle_and_loses_no_sample() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let mut first = probe(&store);
        let hang = store.hang();
        let subjects = ["a", "b", "c"].map(str::to_owned);
        for topic in &subjects {
            let created = vec![(Change::TopicCreated, topic.clone()).into()];
            first.memory.events.topology(SystemTime::now(), "k", created);
            let saved = tokio::time::timeout(Duration::from_secs(10), first.save()).await;
            assert!(saved.is_ok() && !first.history.failing, "a write that has not ended is no failure yet");
        }
        first.history.writing.as_mut().expect("the first").begun -= 2 * EVERY;
        first.save().await;
        assert!(first.history.failing, "a disk that hangs this long counts as a failure");
        drop(hang);
        first.save_all().await;
        assert!(!first.history.failing && first.history.last_duration > Duration::ZERO);
        drop((first, store));
        let events = probe(&Arc::new(Store::open(&path).expect("the same file"))).memory.events.view();
        assert_eq!(events.iter().map(|event| event.subject.clone()).collect::<Vec<_>>(), subjects);
    }
}
