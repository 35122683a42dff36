//! Reads the configuration again while the service runs. A configuration that cannot be used changes nothing.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    checked::{Checked, Read, ReadConfig, Reading, kafka_clients, of_modules},
    cluster::Running,
    service::Service,
};
use crate::{board::Board, config::Config, supervisor, text::Chain};

/// The longest time for reading the configuration and the files that it names.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// The longest time for the tasks and threads of a cluster to end once no heartbeat is in flight.
const END_LIMIT: Duration = Duration::from_secs(3);

/// The names of the clusters by what a reload does to them, the sections that it does not apply, and what failed.
#[derive(Debug, Default)]
struct Changes {
    added: Vec<String>,
    removed: Vec<String>,
    restarted: Vec<String>,
    unchanged: Vec<String>,
    /// Whether the modules of `GET /probe` are other ones now.
    modules: bool,
    after_restart: Vec<&'static str>,
    /// What could not be applied, each with the reason.
    failed: Vec<String>,
}

impl Service {
    /// Reads the configuration again and applies it. Returns what has changed, in words. Must not be called again after it
    /// was dropped: a cluster that was stopped by then is not started again.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration: nothing has changed then. Or what has changed, and what could not be
    /// applied.
    pub(super) async fn reload(&mut self, read: &ReadConfig) -> Result<String, String> {
        supervisor::reloading();
        let outcome = match read_again(&mut self.reading, read.clone()).await {
            Ok((config, checked)) => self.apply(&config, checked).await.map(|changes| (config, changes)),
            Err(words) => Err(words),
        };
        let applied = outcome.as_ref().ok().filter(|(_, changes)| changes.failed.is_empty());
        self.monitor.config_was_read(applied.map(|(config, _)| config.listing()));
        supervisor::reloaded();
        match outcome {
            Ok((_, changes)) => changes.logged(),
            Err(words) => {
                tracing::error!("the configuration was read again and is not used: {words}");
                Err(words)
            }
        }
    }

    /// Starts each cluster that is new, stops each cluster that is no longer configured, and restarts each cluster whose
    /// settings have changed. All other clusters go on with their counters, ledgers and connections.
    ///
    /// # Errors
    /// Why a new cluster cannot be started. Nothing has changed then.
    async fn apply(&mut self, config: &Config, checked: Vec<Checked>) -> Result<Changes, String> {
        let added = self.start_added(&checked).await?;
        let goes_on = |running: &Running| {
            checked.iter().any(|checked| running.board.settings.needs_no_restart_for(&checked.cluster))
        };
        let (kept, ended): (Vec<_>, Vec<_>) = self.clusters.drain(..).partition(goes_on);
        let mut changes = Changes {
            added: names(&added),
            unchanged: names(&kept),
            after_restart: self.config.sections_unlike(config),
            failed: config.refused.clone(),
            ..Changes::default()
        };
        // A cluster that is restarted keeps its board until the new board takes its place. So its series do not disappear
        // meanwhile. The number of boards stays the same, and with it the label `kafka_cluster` of all other series.
        let known: Vec<Board> =
            kept.iter().chain(&added).chain(&ended).map(|running| running.board.clone()).collect();
        let board_of = |checked: &Checked| known.iter().find(|board| *board.name == *checked.cluster.name);
        let mut boards: Vec<Board> = checked.iter().filter_map(board_of).cloned().collect();
        self.sender.replace(boards.clone());
        self.clusters = kept.into_iter().chain(added).collect();
        let limit = self.config.shutdown.grace.mul_f32(0.8);
        let mut stops: FuturesUnordered<_> = ended.into_iter().map(|running| stop(running, limit)).collect();
        while let Some(before) = stops.next().await {
            match checked.iter().find(|checked| checked.cluster.name == before.cluster.name) {
                Some(after) => self.restart(&before, after, &mut boards, &mut changes),
                None => changes.removed.push(before.cluster.name.clone()),
            }
        }
        match self.modules.replace(&config.modules) {
            Ok(changed) => changes.modules = changed,
            Err(refused) => changes.failed.push(of_modules(refused).to_string()),
        }
        let clients: Vec<_> = self.clusters.iter().map(Running::checked).collect();
        self.monitor.certificates.follow(kafka_clients(&clients));
        changes.failed.extend(self.push.follow(&self.boards).err());
        changes.failed.extend(self.election.follow(&clients).await.err());
        config.warnings.iter().for_each(|words| tracing::warn!("{words}"));
        Ok(changes)
    }

    /// Starts the clusters that do not run, all of them or none.
    ///
    /// # Errors
    /// Why a cluster cannot be started.
    async fn start_added(&self, checked: &[Checked]) -> Result<Vec<Running>, String> {
        let is_running = |checked: &&Checked| {
            self.clusters.iter().any(|running| *running.board.name == *checked.cluster.name)
        };
        let mut added = Vec::new();
        for checked in checked.iter().filter(|checked| !is_running(checked)) {
            match self.start_cluster(checked) {
                Ok(running) => added.push(running),
                Err(words) => {
                    join_all(added.into_iter().map(|running| stop(running, Duration::ZERO))).await;
                    return Err(words);
                }
            }
        }
        Ok(added)
    }

    /// Starts a cluster again that was stopped. If it cannot be started with the new settings, it is started with the settings
    /// before, so that it is still watched.
    fn restart(&mut self, before: &Checked, after: &Checked, boards: &mut Vec<Board>, changes: &mut Changes) {
        let name = &after.cluster.name;
        let running = self.start_cluster(after).inspect(|_| changes.restarted.push(name.clone()));
        let running = running.or_else(|words| {
            let again = self.start_cluster(before);
            let state =
                if again.is_ok() { "goes on with the settings before" } else { "is not watched any more" };
            changes.failed.push(format!("{words}; this cluster {state}"));
            again
        });
        let place = boards.iter().position(|board| *board.name == **name);
        match (running, place) {
            (Ok(running), Some(place)) => {
                boards[place] = running.board.clone();
                self.clusters.push(running);
            }
            _ => boards.retain(|board| *board.name != **name),
        }
        self.sender.replace(boards.clone());
    }

    /// Starts a cluster.
    fn start_cluster(&self, checked: &Checked) -> Result<Running, String> {
        Running::start(checked, self.shared.clone())
            .map_err(|error| format!("cluster {}: {}", checked.cluster.name, Chain(&error)))
    }
}

/// The names of clusters.
fn names(clusters: &[Running]) -> Vec<String> {
    clusters.iter().map(|running| running.board.settings.name.clone()).collect()
}

/// Stops a cluster, and waits for its heartbeats in flight for at most `limit`. Returns its settings.
async fn stop(running: Running, limit: Duration) -> Checked {
    let checked = running.checked();
    if timeout(limit + END_LIMIT, running.stop(limit)).await.is_err() {
        tracing::warn!(
            cluster = checked.cluster.name,
            "not every task and thread of the cluster ended in time"
        );
    }
    checked
}

/// Reads the configuration on a blocking thread, because the file system may not answer. A thread that still reads for an
/// earlier reload is waited for first. What that thread returns may be older than the request for this reload, so it is not
/// used.
async fn read_again(reading: &mut Reading, read: ReadConfig) -> Read {
    let read = async {
        if let Some(before) = reading {
            _ = before.await;
        }
        let result = reading.insert(spawn_blocking(move || read())).await;
        *reading = None;
        result
    };
    match timeout(READ_LIMIT, read).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(format!("reading the configuration failed: {error}")),
        Err(_) => Err("the configuration cannot be read: the file system does not answer".to_owned()),
    }
}

impl Changes {
    /// Logs what was done. Returns the same in words; they are an error if a part failed.
    fn logged(&self) -> Result<String, String> {
        let words = self.words();
        if self.failed.is_empty() {
            tracing::info!("the configuration was read again: {words}");
            return Ok(words);
        }
        tracing::error!("the configuration was read again and is used in part: {words}");
        Err(words)
    }

    fn words(&self) -> String {
        let lists = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("started again with new settings", &self.restarted),
            ("unchanged", &self.unchanged),
        ];
        let named = lists.into_iter().filter(|(_, names)| !names.is_empty());
        let mut parts: Vec<_> = named.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
        if self.modules {
            parts.push("changed: the modules of /probe".to_owned());
        }
        if !self.after_restart.is_empty() {
            parts.push(format!("used after a restart of the service: {}", self.after_restart.join(", ")));
        }
        parts.extend(self.failed.iter().map(|words| format!("not applied: {words}")));
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        net::SocketAddr,
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering::Relaxed},
            mpsc,
        },
    };

    use tokio::{net::TcpListener, sync, time::sleep};

    use super::*;
    use crate::{
        app,
        config::{self, Property, Sources},
    };

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A configuration with these clusters, given by their names and heartbeat intervals. Their brokers do not exist. The
    /// clusters in `broken` pass the check and fail at the start.
    fn configured(clusters: &[(&str, &str)], broken: &[&str]) -> Read {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = folder.path().join("config.ini");
        let section = |(name, interval): &(&str, &str)| {
            format!("[cluster:{name}]\nbootstrap.servers = 127.0.0.1:1\nheartbeat.interval = {interval}\n")
        };
        let text: String =
            clusters.iter().map(section).chain(["[shutdown]\ngrace = 2s\n".to_owned()]).collect();
        fs::write(&file, text).map_err(|error| error.to_string())?;
        let config = config::load(&Sources { file: Some(file), ..Sources::default() });
        let mut config = config.map_err(|errors| errors.to_string())?;
        let mut checked = app::check(&mut config).map_err(|errors| errors.to_string())?;
        for checked in checked.iter_mut().filter(|checked| broken.contains(&checked.cluster.name.as_str())) {
            let mut cluster = (*checked.cluster).clone();
            let property = Property { value: "1".to_owned(), place: "a test".to_owned() };
            cluster.producer.0.insert("no.such.property".to_owned(), property);
            checked.cluster = Arc::new(cluster);
        }
        Ok((config, checked))
    }

    fn read(clusters: &'static [(&str, &str)], broken: &'static [&str]) -> ReadConfig {
        Arc::new(move || configured(clusters, broken))
    }

    /// A service that watches these clusters.
    async fn service(clusters: &[(&str, &str)]) -> Service {
        let (config, checked) = configured(clusters, &[]).expect("a good configuration");
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let (reloads, _) = sync::mpsc::channel(1);
        Service::start(config, &checked, listener, reloads).expect("a service")
    }

    /// The clusters as readers see them: name and interval of heartbeats, in the order of the configuration.
    fn shown(service: &Service) -> Vec<(String, u128)> {
        let shown = |board: &Board| (board.name.to_string(), board.settings.heartbeat.interval.as_millis());
        service.boards.list().iter().map(shown).collect()
    }

    fn cluster(name: &str, interval: u128) -> (String, u128) {
        (name.to_owned(), interval)
    }

    #[tokio::test]
    async fn new_cluster_that_cannot_be_started_changes_nothing() {
        let mut service = service(&[("one", "1s"), ("two", "1s")]).await;
        let before = service.boards.list();
        let read = read(&[("one", "2s"), ("good", "1s"), ("bad", "1s")], &["bad"]);
        let words = service.reload(&read).await.expect_err("a cluster that cannot be started");
        assert!(words.contains("cluster bad: ") && words.contains("no.such.property"), "{words}");
        assert!(!words.contains("added") && !words.contains("removed"), "{words}");
        let after = service.boards.list();
        assert!(
            before.iter().zip(after.iter()).all(|(before, after)| before.is(after)),
            "{:?}",
            shown(&service)
        );
        assert_eq!((before.len(), after.len(), service.clusters.len()), (2, 2, 2));
    }

    #[tokio::test]
    async fn changed_cluster_that_cannot_be_started_goes_on_with_the_settings_before_and_the_rest_is_applied()
    {
        let mut service = service(&[("one", "1s"), ("two", "1s"), ("gone", "1s")]).await;
        let read = read(&[("one", "2s"), ("two", "2s"), ("new", "1s")], &["one"]);
        let words = service.reload(&read).await.expect_err("a cluster that cannot be started");
        for part in [
            "added: new; removed: gone; started again with new settings: two; not applied: cluster one: ",
            "this cluster goes on with the settings before",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert_eq!(shown(&service), [cluster("new", 1000), cluster("one", 1000), cluster("two", 2000)]);
        assert_eq!(service.clusters.len(), 3);
        let facts = service.monitor.read().config.expect("a service");
        assert!(!facts.last_was_successful);
    }

    #[tokio::test]
    async fn changed_cluster_keeps_its_board_until_it_is_started_again_and_removed_cluster_does_not() {
        let mut service = service(&[("one", "20ms"), ("two", "1s"), ("zed", "1s")]).await;
        let boards = service.boards.clone();
        let seen = Mutex::new(Vec::new());
        let watch = async {
            loop {
                let names =
                    boards.list().iter().map(|board| board.name.to_string()).collect::<Vec<_>>().join(" ");
                seen.lock().expect("no panic").push(names);
                sleep(Duration::from_millis(1)).await;
            }
        };
        let read = read(&[("one", "1s"), ("two", "1s")], &[]);
        let words = tokio::select! {
            words = service.reload(&read) => words.expect("it can be used"),
            () = watch => unreachable!("it never ends"),
        };
        assert_eq!(words, "removed: zed; started again with new settings: one; unchanged: two");
        let seen = seen.into_inner().expect("no panic");
        let kept = seen.iter().filter(|names| *names == "one two").count();
        assert!(kept > 0 && seen.iter().all(|names| names.starts_with("one two")), "{kept}: {seen:?}");
        assert_eq!(shown(&service), [cluster("one", 1000), cluster("two", 1000)]);
    }

    #[tokio::test]
    async fn file_system_that_hangs_blocks_one_thread_and_what_it_returns_late_is_not_used() {
        let (answer, answers) = mpsc::channel::<()>();
        let (begun, answers) = (Arc::new(AtomicUsize::new(0)), Mutex::new(answers));
        let read: ReadConfig = {
            let begun = begun.clone();
            Arc::new(move || {
                // Only the first thread waits for the file system.
                if begun.fetch_add(1, Relaxed) == 0 {
                    answers.lock().expect("no panic").recv().expect("the test answers");
                    return Err("the file as it was before".to_owned());
                }
                Err("the file as it is".to_owned())
            })
        };
        let mut reading = None;
        for _ in 0..3 {
            let asked = timeout(Duration::from_millis(50), read_again(&mut reading, read.clone())).await;
            assert!(asked.is_err(), "the file system does not answer");
        }
        assert_eq!(begun.load(Relaxed), 1, "one thread reads");
        answer.send(()).expect("the thread waits");
        let words = timeout(PATIENCE, read_again(&mut reading, read)).await.expect("the file system answers");
        assert_eq!(words.err().as_deref(), Some("the file as it is"));
    }
}
