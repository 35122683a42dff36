//! What survives a restart, of everything that is looked at: taken in at the start, and written after a look.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{
    Probe,
    store::{Changes, Store, by_topic},
};

/// What was seen is written this often, or after two looks.
const EVERY: Duration = Duration::from_secs(60);

/// What is being written, and how that ended.
pub(super) type Writing = JoinHandle<(rusqlite::Result<()>, Changes)>;

impl Probe {
    /// Goes on where an earlier run ended, and keeps what is seen.
    #[must_use]
    pub fn with(mut self, store: Option<Arc<Store>>) -> Self {
        if let Some(store) = &store {
            match store.load(&self.cluster.name) {
                Ok(saved) => {
                    self.before = saved.age;
                    self.judge.remember(saved.lives, saved.baselines);
                    self.events.remember(saved.events);
                    self.topology.remember(saved.topics);
                    self.topics.remember(by_topic(saved.rows));
                }
                // What is written now would count from another time than what is there.
                Err(error) => {
                    let cluster = &self.cluster.name;
                    tracing::warn!(cluster, "the history cannot be read, and is not kept: {error}");
                    return self;
                }
            }
        }
        self.store = store;
        self
    }

    /// Writes what has changed; a cycle waits for it, no answer does. What is judged is written at once, what was only
    /// seen, once a minute.
    pub(super) async fn save(&mut self) {
        let due = self.saved.elapsed() > EVERY.min(2 * self.cluster.lag.interval);
        self.write(due, false).await;
    }

    /// Writes everything, at the end.
    pub(super) async fn save_all(&mut self) {
        self.write(true, true).await;
    }

    async fn write(&mut self, seen: bool, all: bool) {
        let Some(store) = self.store.clone() else {
            self.judge.keep_nothing();
            self.events.unsaved();
            self.topology.unsaved();
            return self.topics.keep_nothing();
        };
        self.written().await;
        let mut changes = Changes::default();
        (changes.lives, changes.baselines) = self.judge.unsaved(seen);
        changes.events = self.events.unsaved();
        changes.topics = self.topology.unsaved();
        if seen {
            self.saved = Instant::now();
            changes.histories = self.topics.unsaved(all);
        }
        if changes.is_empty() {
            return;
        }
        let name = self.cluster.name.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || (store.save(&name, &changes), changes)));
        self.written().await;
    }

    /// Waits for what is being written. A cycle may be dropped meanwhile: then the next one hears how it ended.
    async fn written(&mut self) {
        let Some(writing) = &mut self.writing else { return };
        let ended = writing.await;
        self.writing = None;
        let failed = match ended {
            Ok((Ok(()), _)) => None,
            Ok((Err(error), changes)) => {
                self.topics.not_saved(changes.histories);
                self.judge.not_saved(changes.lives, changes.baselines);
                self.events.not_saved(changes.events);
                self.topology.not_saved(changes.topics);
                Some(error.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
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
    use std::time::SystemTime;

    use tokio::sync::watch;

    use super::*;
    use crate::{collect::topology::Change, config, kafka::wire, task::Latest};

    fn probe(store: &Arc<Store>) -> Probe {
        let sources = config::Sources { bootstrap: Some("b:1".to_owned()), ..config::Sources::default() };
        let cluster = Arc::new(config::load(&sources).expect("valid").clusters.remove(0));
        let settings = Arc::new(wire::Settings::parse(&cluster.kafka).expect("good settings"));
        let known = Arc::new(wire::Cluster::new(settings, Duration::from_secs(1)));
        let metadata = watch::channel(Latest::new(Duration::from_secs(1))).1;
        Probe::new(cluster, known, metadata).with(Some(store.clone()))
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
            let created = vec![(Change::TopicCreated, topic.clone())];
            first.events.topology(SystemTime::now(), "k", created);
            first.save().await;
            assert!(first.unsaved, "the disk is full");
        }
        store.limit(1 << 20);
        first.save().await;
        assert!(!first.unsaved, "there is room again");
        drop((first, store));
        let second = probe(&Arc::new(Store::open(&path).expect("the same file")));
        let events = second.events.view();
        assert_eq!(
            events.iter().map(|event| &event.subject).collect::<Vec<_>>(),
            topics.iter().collect::<Vec<_>>()
        );
    }
}
