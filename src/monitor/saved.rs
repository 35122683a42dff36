//! What survives a restart, of everything that is looked at: taken in at the start, and written after a look.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::task::JoinHandle;

use super::cycle::Probe;
use crate::{
    collect::topics::by_topic,
    store::{Changes, Store, Unsaved},
};

/// What was seen is written this often, or after two looks.
const EVERY: Duration = Duration::from_secs(60);

/// What is being written: how it ended, what it was, how long it took.
pub(crate) struct Writing {
    begun: Instant,
    done: JoinHandle<(Result<(), Unsaved>, Changes, Duration)>,
}

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
    /// When something was last written, or the file was opened.
    pub last: Option<SystemTime>,
    /// Failures since the start, by [`Unsaved::KINDS`].
    pub failures: BTreeMap<&'static str, u64>,
}

/// Which file is written.
#[derive(Debug, Default)]
pub(crate) struct Target {
    generation: u64,
    /// It knows nothing yet of what is known.
    anew: bool,
}

impl Probe {
    /// Goes on where an earlier run ended, and keeps what is seen.
    #[must_use]
    pub fn with(mut self, history: HistoryFile) -> Self {
        let store = match history {
            HistoryFile::NotConfigured => return self,
            HistoryFile::NotOpened => {
                self.written = Some(Written::default());
                return self;
            }
            HistoryFile::Open(store) => store,
        };
        match store.load(&self.cluster.name) {
            Ok(saved) => {
                self.before = saved.age;
                self.judge.remember(saved.lives, saved.baselines);
                self.events.remember(saved.events);
                self.topology.remember(saved.topics);
                self.topics.remember(by_topic(saved.rows));
                let last = Some(SystemTime::now());
                self.written = Some(Written { opened: true, last, ..Written::default() });
                self.store = Some(store);
            }
            // What is written now would count from another time than what is there.
            Err(error) => {
                let cluster = &self.cluster.name;
                tracing::warn!(cluster, "the history cannot be read, and is not kept: {error}");
                self.written = Some(Written::default());
            }
        }
        self
    }

    fn count_failure(&mut self, kind: &'static str) {
        *self.written.get_or_insert_default().failures.entry(kind).or_default() += 1;
    }

    /// Begins to write what has changed. What is judged is written at once, what was only seen, once a minute; while
    /// a disk takes its time over what was new before, nothing is begun.
    pub(crate) async fn save(&mut self) {
        let Some(Writing { begun, .. }) = self.writing.as_ref().filter(|writing| !writing.done.is_finished())
        else {
            self.written().await;
            let due = self.saved.elapsed() > EVERY.min(2 * self.cluster.lag.interval);
            return self.write(due, false);
        };
        if begun.elapsed() > EVERY {
            if !self.unsaved {
                self.count_failure("no_answer");
            }
            self.told(Some("the disk does not answer".to_owned()));
        }
    }

    /// Writes everything, at the end.
    pub(crate) async fn save_all(&mut self) {
        self.written().await;
        self.write(true, true);
        self.written().await;
        // The file was taken away meanwhile.
        if self.target.anew {
            self.write(true, true);
            self.written().await;
        }
    }

    fn write(&mut self, seen: bool, all: bool) {
        let Some(store) = self.store.clone() else {
            self.judge.keep_nothing();
            self.events.unsaved();
            self.topology.unsaved();
            return self.topics.keep_nothing();
        };
        let Target { generation, anew } = self.target;
        let (seen, all) = (seen || anew, all || anew);
        if anew {
            self.judge.save_all();
            self.events.save_all();
            self.topology.save_all();
        }
        let mut changes = Changes::default();
        (changes.lives, changes.baselines) = self.judge.unsaved(seen);
        changes.events = self.events.unsaved();
        changes.topics = self.topology.unsaved();
        if seen {
            self.saved = Instant::now();
            changes.histories = self.topics.unsaved(all);
        }
        // Once a minute something is written in any case: that shows that the file can be written.
        if changes.is_empty() && !seen {
            return;
        }
        let (name, begun) = (self.cluster.name.clone(), Instant::now());
        let age = anew.then(|| self.before + self.begin.elapsed());
        let write = move || (store.write(&name, &changes, generation, age), changes, begun.elapsed());
        self.writing = Some(Writing { begun, done: tokio::task::spawn_blocking(write) });
    }

    /// Waits for what is being written, and hears how it ended.
    async fn written(&mut self) {
        let Some(writing) = &mut self.writing else { return };
        let ended = (&mut writing.done).await;
        self.writing = None;
        let unsaved = match ended {
            Ok((Ok(()), _, duration)) => {
                (self.saving, self.target.anew) = (duration, false);
                self.written.get_or_insert_default().last = Some(SystemTime::now());
                return self.told(None);
            }
            Ok((Err(unsaved), changes, _)) => {
                self.topics.not_saved(changes.histories);
                self.judge.not_saved(changes.lives, changes.baselines);
                self.events.not_saved(changes.events);
                self.topology.not_saved(changes.topics);
                unsaved
            }
            Err(error) => Unsaved::Failed("other", error.to_string()),
        };
        self.count_failure(unsaved.kind());
        match unsaved {
            // Another file, which the log has said: everything is written to it with the next cycle.
            Unsaved::Replaced(generation) => self.target = Target { generation, anew: true },
            Unsaved::Failed(_, words) => self.told(Some(words)),
        }
    }

    /// Tells that nothing can be written, and that it can be again, once each.
    fn told(&mut self, failed: Option<String>) {
        let (cluster, before) = (&self.cluster.name, std::mem::replace(&mut self.unsaved, failed.is_some()));
        match failed {
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
    use tokio::sync::watch;

    use super::*;
    use crate::{collect::topology::Change, config, kafka::wire, task::Latest};

    fn probe(store: &Arc<Store>) -> Probe {
        let sources = config::Sources { bootstrap: Some("b:1".to_owned()), ..config::Sources::default() };
        let cluster = Arc::new(config::load(&sources).expect("valid").clusters.remove(0));
        let settings = Arc::new(wire::Client::from_properties(&cluster.kafka).expect("good settings"));
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
        let opened =
            |probe: &Probe| probe.written.as_ref().map(|written| (written.opened, written.last.is_some()));
        assert_eq!(opened(&first), Some((true, true)), "opening writes to the file");
        store.spoil();
        assert_eq!(opened(&probe(&store)), Some((false, false)), "the file cannot be read");
        let mut again = first.with(HistoryFile::NotOpened);
        assert_eq!(opened(&again), Some((false, false)));
        again.written = None;
        assert_eq!(opened(&again.with(HistoryFile::NotConfigured)), None, "no file is configured");
    }

    #[tokio::test]
    async fn a_full_disk_costs_nothing_that_was_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let mut first = probe(&store);
        store.limit(1);
        // More than what pages there are have room for.
        let topics = ["a", "b"].map(|name| name.repeat(100_000));
        for topic in &topics {
            let created = vec![(Change::TopicCreated, topic.clone()).into()];
            first.events.topology(SystemTime::now(), "k", created);
            first.save().await;
            first.written().await;
            assert!(first.unsaved, "the disk is full");
        }
        store.limit(1 << 20);
        first.save_all().await;
        assert!(!first.unsaved, "there is room again");
        drop((first, store));
        let second = probe(&Arc::new(Store::open(&path).expect("the same file")));
        let events = second.events.view();
        assert_eq!(
            events.iter().map(|event| &event.subject).collect::<Vec<_>>(),
            topics.iter().collect::<Vec<_>>()
        );
    }

    #[tokio::test]
    async fn history_file_removed_or_replaced_while_running_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let (mut first, mut other) = (probe(&store), probe(&store));
        Arc::make_mut(&mut other.cluster).name = "other".to_owned();
        let happens = |probe: &mut Probe, topic: &str| {
            probe.events.topology(
                SystemTime::now(),
                "k",
                vec![(Change::TopicCreated, topic.to_owned()).into()],
            );
        };
        let told = |probe: &Probe| {
            let events = probe.events.view();
            events.iter().map(|event| event.subject.clone()).collect::<Vec<_>>()
        };
        for (topic, take_away) in [
            ("a", None),
            ("b", Some(None)),
            ("c", Some(Some("somebody put another file in its place, which is no database at all"))),
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
                    probe.write(true, false);
                    probe.written().await;
                }
                assert!(!probe.unsaved && !probe.target.anew);
            }
        }
        let written = first.written.as_ref().expect("a file is configured");
        assert_eq!(written.failures, BTreeMap::from([("replaced", 2)]));
        drop((first, other, store));
        let store = Arc::new(Store::open(&path).expect("the same file"));
        let second = probe(&store);
        assert_eq!(told(&second), ["a", "b", "c"], "also what was written to the file that is gone");
        assert_eq!(store.load("other").expect("a cluster").events.len(), 3);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_no_look_and_costs_nothing_that_was_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let mut first = probe(&store);
        let hung = store.hang();
        let subjects = ["a", "b", "c"].map(str::to_owned);
        for topic in &subjects {
            let created = vec![(Change::TopicCreated, topic.clone()).into()];
            first.events.topology(SystemTime::now(), "k", created);
            let looked = tokio::time::timeout(Duration::from_secs(10), first.save()).await;
            assert!(looked.is_ok() && !first.unsaved, "it is not known yet whether it can be written");
        }
        first.writing.as_mut().expect("the first").begun -= 2 * EVERY;
        first.save().await;
        assert!(first.unsaved, "nobody waits for so long without a word");
        drop(hung);
        first.save_all().await;
        assert!(!first.unsaved && first.saving > Duration::ZERO);
        drop((first, store));
        let events = probe(&Arc::new(Store::open(&path).expect("the same file"))).events.view();
        assert_eq!(events.iter().map(|event| event.subject.clone()).collect::<Vec<_>>(), subjects);
    }
}
