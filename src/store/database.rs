//! The rows of each cluster in the history file: they are read at the start and written after a collection cycle.

use std::{path::Path, sync::Mutex, time::Duration};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    file::{File, Unsaved},
    tables::{self, Changes},
};
use crate::{
    clock::now_ms,
    collect::{topics::HistoryRow, topology::TopicRow},
    evaluate::{
        events::Event,
        judge::{BaselineRow, LifeRow},
    },
    sync::lock,
};

/// A cluster that is no longer configured stays in the file for this long after it was last written.
const ABSENT: Duration = Duration::from_secs(30 * 86_400);

/// A clock may go back by this much without being treated as set back: time synchronisation makes small corrections.
const CORRECTION: Duration = Duration::from_secs(60);

/// The history file, shared by all clusters.
#[derive(Debug)]
pub struct Store(Mutex<File>);

/// The rows of one cluster that the history file holds.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// Time from the epoch of the cluster, from which the times in its histories count, until now.
    pub(crate) age: Duration,
    /// Histories of log end offsets, one for each partition. Empty if the clock was set back.
    pub(crate) rows: Vec<HistoryRow>,
    /// Judgements of consumer groups, one for each group and topic.
    pub(crate) lives: Vec<LifeRow>,
    /// The usual traffic of topics.
    pub(crate) baselines: Vec<BaselineRow>,
    /// Events, the oldest first.
    pub(crate) events: Vec<Event>,
    /// Topics that existed at the last write.
    pub(crate) topics: Vec<TopicRow>,
}

impl Store {
    /// Opens the history file, or creates it. A file that cannot be used is set aside.
    ///
    /// # Errors
    /// The reason, in words, if neither the file nor a new file in its place can be used.
    pub fn open(path: &Path) -> Result<Self, String> {
        Ok(Self(Mutex::new(File::open(path)?)))
    }

    /// Locks the history file.
    pub(super) fn file(&self) -> std::sync::MutexGuard<'_, File> {
        lock(&self.0)
    }

    /// Reads the rows of a cluster; their times count from the epoch of the cluster.
    ///
    /// If the clock is earlier than the last sample by more than [`CORRECTION`], the age of the samples is unknown. The
    /// histories are then deleted, and the epoch becomes the present time.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn load(&self, cluster: &str) -> rusqlite::Result<Saved> {
        let mut file = self.file();
        let file = file.connection()?;
        let now_ms = now_ms();
        let began: Option<i64> = file
            .query_row("SELECT began_ms FROM epoch WHERE cluster = ?1", [cluster], |row| row.get(0))
            .optional()?;
        let age =
            began.and_then(|began| u64::try_from(now_ms.checked_sub(began)?).ok()).map(Duration::from_millis);
        let mut rows = if age.is_some() { tables::histories(file, cluster)? } else { Vec::new() };
        let histories = rows.iter().filter_map(|row| row.history.as_ref()?.last());
        let last = histories.max().unwrap_or_default();
        let age = match age {
            Some(age) if last <= age + CORRECTION => age.max(last),
            // Judgements of groups and baselines stay: they do not depend on the age of the samples.
            unknown => {
                if unknown.is_some() {
                    tracing::warn!(
                        cluster,
                        "the clock was set back: the histories of log end offsets are deleted and start again"
                    );
                }
                let change = file.transaction()?;
                change.execute("DELETE FROM history WHERE cluster = ?1", [cluster])?;
                change.execute("REPLACE INTO epoch VALUES (?1, ?2)", params![cluster, now_ms])?;
                change.commit()?;
                rows.clear();
                Duration::ZERO
            }
        };
        Ok(Saved {
            age,
            rows,
            lives: tables::lives(file, cluster, age)?,
            baselines: tables::baselines(file, cluster)?,
            events: tables::events(file, cluster)?,
            topics: tables::topics(file, cluster)?,
        })
    }

    /// Writes the changes of a cluster in one transaction: all of them or none.
    ///
    /// `generation` is the generation of the file that the changes are for. With `complete`, the changes replace all rows
    /// of the cluster, and the duration is the time from the epoch of the cluster until now.
    ///
    /// # Errors
    /// The file was replaced, or it cannot be written.
    pub(crate) fn write(
        &self,
        cluster: &str,
        changes: &Changes,
        generation: u64,
        complete: Option<Duration>,
    ) -> Result<(), Unsaved> {
        let mut file = self.file();
        file.notice()?;
        if file.generation() != generation {
            return Err(Unsaved::Replaced(file.generation()));
        }
        let file = file.connection()?;
        let transaction = file.transaction()?;
        if let Some(age) = complete {
            for table in tables::OF_COLLECTION {
                transaction.execute(&format!("DELETE FROM {table} WHERE cluster = ?1"), [cluster])?;
            }
            let began_ms = now_ms() - i64::try_from(age.as_millis()).unwrap_or(0);
            transaction.execute("REPLACE INTO epoch VALUES (?1, ?2)", params![cluster, began_ms])?;
        }
        changes.put(cluster, &transaction)?;
        transaction.execute("REPLACE INTO written VALUES (?1, ?2)", params![cluster, now_ms()])?;
        transaction.commit()?;
        // The changes are written even if the file cannot be made smaller.
        _ = vacuum(file);
        Ok(())
    }

    /// Deletes the rows of every cluster that is not listed and was not written for `ABSENT`: a cluster that was renamed
    /// or is no longer configured. Returns the number of deleted clusters.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget_others(&self, clusters: &[&str]) -> rusqlite::Result<usize> {
        let mut file = self.file();
        let file = file.connection()?;
        let old = now_ms() - i64::try_from(ABSENT.as_millis()).unwrap_or(i64::MAX);
        let names: Vec<String> = file
            .prepare("SELECT cluster FROM epoch LEFT JOIN written USING (cluster) WHERE coalesce(at_ms, began_ms) < ?1")?
            .query_map([old], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let change = file.transaction()?;
        let absent: Vec<_> = names.iter().filter(|name| !clusters.contains(&name.as_str())).collect();
        for name in &absent {
            for table in tables::OF_COLLECTION.into_iter().chain(tables::OF_OTHERS) {
                change.execute(&format!("DELETE FROM {table} WHERE cluster = ?1"), [name])?;
            }
        }
        change.commit()?;
        Ok(absent.len())
    }
}

#[cfg(test)]
impl Store {
    /// Writes changes to the file that was opened first, whose generation is 0.
    pub(crate) fn save(&self, cluster: &str, changes: &Changes) -> Result<(), Unsaved> {
        self.write(cluster, changes, 0, None)
    }

    /// Removes a table, so that the next read or write of histories fails.
    pub(crate) fn spoil(&self) {
        self.file().connection().expect("open").execute("DROP TABLE history", []).expect("dropped");
    }

    /// Limits the size of the file in pages, as a full disk would. SQLite raises a limit below the present size to it.
    pub(crate) fn limit(&self, pages: u32) {
        self.file()
            .connection()
            .expect("open")
            .pragma_update(None, "max_page_count", pages)
            .expect("a limit");
    }

    /// Holds the lock of the file, as a disk that does not answer would, until the returned sender is dropped.
    pub(crate) fn hang(self: &std::sync::Arc<Self>) -> std::sync::mpsc::Sender<()> {
        let store = self.clone();
        let (hangs, hanging) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _file = store.file();
            hangs.send(()).expect("a receiver");
            // Receiving ends when the sender is dropped.
            _ = ended.recv();
        });
        hanging.recv().expect("it hangs");
        end
    }
}

/// Gives up to 100 empty pages of the file back to the file system.
fn vacuum(file: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = file.prepare("PRAGMA incremental_vacuum(100)")?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        io::{BufRead, Write},
        sync::Arc,
        time::UNIX_EPOCH,
    };

    use super::*;
    use crate::{
        collect::{history::History, topics::by_topic, topology::KeptTopic},
        evaluate::{
            events::MOST,
            judge::{Baseline, Kept, Life, Moment, Progress, Status},
        },
        kafka::TopicId,
        store::{self, IntervalRow, tables::VERSION},
    };

    fn history(ends: &[i64]) -> History {
        let mut history = History::default();
        for (n, end) in ends.iter().enumerate() {
            history.add(Duration::from_secs(60 * n as u64), *end);
        }
        history
    }

    /// Moves the epoch of the only cluster one hour into the past.
    fn age(store: &Store) {
        let older = "UPDATE epoch SET began_ms = began_ms - 3600000";
        assert_eq!(store.file().connection().expect("open").execute(older, []).expect("a file"), 1);
    }

    fn changes<const N: usize>(histories: [HistoryRow; N]) -> Changes {
        Changes { histories: histories.into(), ..Changes::default() }
    }

    fn row(topic: &str, id: u128, history: Option<History>) -> HistoryRow {
        HistoryRow { topic: topic.into(), partition: 3, id: Some(TopicId(id)), history }
    }

    #[test]
    fn histories_that_were_saved_are_loaded_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let far = history(&[1 << 40, (1 << 40) + 5, (1 << 40) + 70]);
        {
            let store = Store::open(&path).expect("a new file");
            assert!(store.load("eu").expect("nothing yet").rows.is_empty());
            age(&store);
            store
                .save("eu", &changes([row("a", 7, Some(far.clone())), row("b", 8, Some(history(&[1, 2])))]))
                .expect("saved");
            store.save("us", &changes([row("a", 9, Some(history(&[5])))])).expect("saved");
            store.save("eu", &changes([row("b", 8, None)])).expect("saved");
        }
        let store = Store::open(&path).expect("the same file");
        let saved = store.load("eu").expect("a cluster");
        assert!((3600..3660).contains(&saved.age.as_secs()), "{:?}", saved.age);
        let loaded = by_topic(saved.rows);
        assert_eq!(loaded.keys().map(|topic| &**topic).collect::<Vec<_>>(), ["a"]);
        let (id, partitions) = &loaded["a"];
        assert_eq!(*id, Some(TopicId(7)));
        let now = Duration::from_secs(200);
        assert_eq!(partitions[&3].age((1 << 40) + 7, now), far.age((1 << 40) + 7, now));
        assert!(far.age((1 << 40) + 7, now).is_some());
    }

    #[test]
    fn file_that_is_damaged_or_newer_is_set_aside_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let damages: [fn(&Path); 2] = [
            |path| {
                fs::write(path, "no database at all, and long enough to be read as one".repeat(40))
                    .expect("a file")
            },
            |path| {
                let file = Connection::open(path).expect("a file");
                file.pragma_update(None, "user_version", VERSION + 1).expect("a version");
            },
        ];
        for (number, damage) in damages.iter().enumerate() {
            let path = path.with_extension(number.to_string());
            damage(&path);
            let before = fs::read(&path).expect("a file");
            let store = Store::open(&path).expect("a fresh one");
            store.save("eu", &changes([row("a", 1, Some(history(&[1, 2])))])).expect("it works");
            let aside = fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path());
            let prefix = format!("{}.aside-", path.display());
            let aside =
                aside.filter(|path| path.display().to_string().starts_with(&prefix)).min().expect("kept");
            assert_eq!(fs::read(aside).expect("a file").len(), before.len());
        }
        assert!(Store::open(&folder.path().join("missing/history.db")).is_err(), "a folder is not made up");
    }

    /// The tables of schemas 1 and 2, which earlier versions of the program wrote.
    const OLD: &str = "
        CREATE TABLE epoch (cluster TEXT PRIMARY KEY, began_ms INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE history (
            cluster TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
            topic_id BLOB, samples BLOB NOT NULL,
            PRIMARY KEY (cluster, topic, partition)
        ) WITHOUT ROWID;
        INSERT INTO epoch VALUES ('eu', 0);
    ";

    #[test]
    fn file_of_an_older_schema_is_migrated() {
        let far = history(&[1 << 40, (1 << 40) + 5, (1 << 40) + 70]);
        for version in [1, 2] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("history.db");
            let mut bytes = far.to_bytes();
            if version == 1 {
                bytes.drain(8..16);
            }
            {
                let file = Connection::open(&path).expect("a file");
                file.execute_batch(OLD).expect("tables");
                file.pragma_update(None, "user_version", version).expect("a version");
                let put = "INSERT INTO history VALUES ('eu', 'a', 3, NULL, ?1)";
                file.execute(put, [bytes]).expect("a row");
            }
            let lives = vec![life_row("a", Some(life(3)))];
            for before in 0..2 {
                let store = Store::open(&path).expect("the same file");
                let saved = store.load("eu").expect("a cluster");
                assert_eq!(saved.lives.len(), before, "judgements of schema version {version}");
                assert_eq!(by_topic(saved.rows)["a"].1[&3].to_bytes(), far.to_bytes());
                let changes = Changes { lives: lives.clone(), ..Changes::default() };
                store.save("eu", &changes).expect("there is a place for what is judged");
            }
            let files = fs::read_dir(folder.path()).expect("a folder").count();
            assert_eq!(files, 1, "nothing was set aside");
        }
    }

    #[test]
    fn cluster_that_is_no_longer_configured_is_deleted_after_thirty_days() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("history.db")).expect("a new file");
        for name in ["eu", "us", "never written"] {
            store.load(name).expect("nothing yet");
        }
        for name in ["eu", "us"] {
            let lives = vec![life_row("a", Some(life(3)))];
            store.save(name, &Changes { lives, ..Changes::default() }).expect("saved");
        }
        assert_eq!(
            store.forget_others(&["eu"]).expect("nothing to do"),
            0,
            "the cluster may be configured again"
        );
        let month = i64::try_from(ABSENT.as_millis()).expect("small") + 1000;
        store
            .file()
            .connection()
            .expect("open")
            .execute("UPDATE written SET at_ms = at_ms - ?1", [month])
            .expect("older");
        store
            .file()
            .connection()
            .expect("open")
            .execute("UPDATE epoch SET began_ms = began_ms - ?1", [month])
            .expect("older");
        assert_eq!(store.forget_others(&["eu"]).expect("forgotten"), 2);
        let lives = |name| store.load(name).expect("a cluster").lives.len();
        assert_eq!((lives("eu"), lives("us")), (1, 0));
    }

    #[test]
    fn samples_later_than_the_clock_are_deleted_unless_the_clock_was_only_corrected() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("history.db")).expect("a new file");
        store.load("eu").expect("nothing yet");
        age(&store);
        let mut ahead = history(&[1, 2]);
        ahead.add(Duration::from_secs(7200), 5);
        store.save("eu", &changes([row("a", 7, Some(ahead))])).expect("saved");
        assert!(store.load("eu").expect("a cluster").rows.is_empty(), "the clock was set back");
        let mut now = History::default();
        now.add(CORRECTION / 2, 5);
        store.save("eu", &changes([row("a", 7, Some(now.clone()))])).expect("saved");
        let again = store.load("eu").expect("a cluster");
        assert_eq!(again.rows.len(), 1, "histories start again, and a clock may be corrected");
        assert_eq!(Some(again.age), now.last());
    }

    fn life(still: u32) -> Kept {
        let since =
            Moment { own: Duration::from_secs(40), wall: UNIX_EPOCH + Duration::from_secs(1_780_000_000) };
        let committed = BTreeMap::from([(0, 1 << 40), (7, i64::from(still))]);
        let (status, counted) = (Status::Recovering, Duration::from_secs(60));
        let life = Life { status, since, advanced: Some(since.wall), still, counted, committed };
        let verdicts = BTreeMap::from([(0, Progress::Lost), (7, Progress::Stop)]);
        Kept { life, verdicts, judged: Some(since.wall) }
    }

    /// The row of the group `g` on a topic.
    fn life_row(topic: &str, kept: Option<Kept>) -> LifeRow {
        LifeRow { group: "g".into(), topic: topic.into(), kept }
    }

    fn baseline_row(topic: &str, baseline: Option<Baseline>) -> BaselineRow {
        BaselineRow { topic: topic.into(), baseline }
    }

    fn topic_row(topic: &str, kept: Option<KeptTopic>) -> TopicRow {
        TopicRow { topic: topic.into(), kept }
    }

    #[test]
    fn judgements_events_and_topics_are_loaded_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let baseline =
            Baseline::from_bytes(&[[9, 0, 0, 0], 1.5f32.to_le_bytes()].concat()).expect("one hour");
        let kept = KeptTopic { id: Some(TopicId(7)), partitions: 3, replicas: 2 };
        let event = |second| Event {
            at: UNIX_EPOCH + Duration::from_secs(second),
            kind: "topic_created".into(),
            subject: "t\n'\"".to_owned(),
            words: String::new(),
        };
        {
            let store = Store::open(&path).expect("a new file");
            store.load("eu").expect("nothing yet");
            age(&store);
            let changes = Changes {
                topics: vec![
                    topic_row("a", Some(kept.clone())),
                    topic_row("b", Some(KeptTopic { id: None, partitions: 1, replicas: 1 })),
                ],
                lives: vec![life_row("a", Some(life(3))), life_row("b", Some(life(1)))],
                baselines: vec![
                    baseline_row("a", Some(baseline.clone())),
                    baseline_row("b", Some(baseline.clone())),
                ],
                events: [5, 4].map(|second| Arc::new(event(second))).into(),
                ..Changes::default()
            };
            store.save("eu", &changes).expect("saved");
            let changes = Changes {
                lives: vec![life_row("b", None)],
                baselines: vec![baseline_row("b", None)],
                topics: vec![topic_row("b", None)],
                events: (10..10 + MOST as u64).map(|second| Arc::new(event(second))).collect(),
                ..Changes::default()
            };
            store.save("us", &changes).expect("of another cluster");
            store.save("eu", &Changes { events: Vec::new(), ..changes }).expect("saved");
        }
        let store = Store::open(&path).expect("the same file");
        let saved = store.load("eu").expect("a cluster");
        assert_eq!(saved.lives, [life_row("a", Some(life(3)))]);
        assert_eq!(saved.baselines, [baseline_row("a", Some(baseline))]);
        assert_eq!(saved.events, [event(4), event(5)]);
        assert_eq!(saved.topics, [topic_row("a", Some(kept))]);
        let us = store.load("us").expect("a cluster");
        assert_eq!((us.lives.len(), us.events.len()), (0, MOST));
        store
            .save("us", &Changes { events: vec![Arc::new(event(2_000))], ..Changes::default() })
            .expect("saved");
        let us = store.load("us").expect("a cluster").events;
        assert_eq!((us.len(), us[0].clone(), us[MOST - 1].clone()), (MOST, event(11), event(2_000)));
    }

    #[test]
    fn clock_that_was_set_back_deletes_histories_and_keeps_statuses() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("history.db")).expect("a new file");
        store.load("eu").expect("nothing yet");
        let mut ahead = history(&[1, 2]);
        ahead.add(Duration::from_secs(7200), 5);
        let lives = vec![life_row("a", Some(life(3)))];
        let rows = [row("a", 7, Some(ahead))].into();
        store.save("eu", &Changes { histories: rows, lives, ..Changes::default() }).expect("saved");
        let saved = store.load("eu").expect("a cluster");
        let life = &saved.lives[0].kept.as_ref().expect("a life").life;
        assert_eq!((saved.rows.len(), life.status, life.still), (0, Status::Recovering, 3));
        assert_eq!((life.since.own, life.counted), (Duration::ZERO, Duration::ZERO), "times count from now");
    }

    #[test]
    fn epoch_beyond_the_range_of_times_is_treated_as_a_clock_that_was_set_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("history.db")).expect("a new file");
        store.load("eu").expect("nothing yet");
        let first = format!("UPDATE epoch SET began_ms = {}", i64::MIN);
        store.file().connection().expect("a file").execute(&first, []).expect("a row");
        assert_eq!(store.load("eu").expect("a cluster").age, Duration::ZERO);
    }

    /// The environment variable with the path of the file that the writer process writes to.
    const WRITES_TO: &str = "KAFKA_HEARTBEAT_TEST_WRITES_TO";

    /// Writes one number after the other and prints each number after it was written, until the process is killed. Does
    /// nothing without the environment variable.
    #[test]
    fn writer_until_the_process_is_killed() {
        let Some(path) = std::env::var_os(WRITES_TO) else { return };
        let store = Store::open(Path::new(&path)).expect("a file");
        let before = store.load("eu").expect("a cluster");
        let before = before.lives.first().and_then(|row| Some(row.kept.as_ref()?.life.still)).unwrap_or(0);
        for number in before + 1.. {
            let end = i64::from(number);
            let rows = (0..20).map(|_| row("a", 7, Some(history(&[end, end + 1])))).collect();
            let lives = vec![life_row("a", Some(life(number)))];
            store.save("eu", &Changes { histories: rows, lives, ..Changes::default() }).expect("saved");
            let minute =
                IntervalRow { resolution: "minute".to_owned(), begin: 60 * end, bytes: Arc::default() };
            let kept = store::Kept { intervals: vec![minute], incidents: Vec::new() };
            store.write_availability("eu", &kept, &[], 1, 0).expect("saved");
            std::io::stdout().write_all(format!("wrote {number}\n").as_bytes()).expect("printed");
        }
    }

    #[test]
    fn process_killed_at_any_moment_loses_nothing_that_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let mut last = 0;
        for round in 0..100 {
            let mut writer = std::process::Command::new(std::env::current_exe().expect("this program"))
                .args([
                    "--exact",
                    "store::database::tests::writer_until_the_process_is_killed",
                    "--nocapture",
                ])
                .env(WRITES_TO, &path)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("started");
            let printed = std::io::BufReader::new(writer.stdout.take().expect("piped"));
            let mut numbers = printed
                .lines()
                .map_while(Result::ok)
                .filter_map(|line| line.strip_prefix("wrote ")?.parse::<u32>().ok());
            let enough = numbers.nth(round % 7).expect("it writes");
            writer.kill().expect("killed");
            last = numbers.last().unwrap_or(enough).max(last);
            writer.wait().expect("ended");
            let store = Store::open(&path).expect("it opens");
            let saved = store.load("eu").expect("a cluster");
            let written = saved.lives[0].kept.as_ref().expect("a life").life.still;
            assert!((last..=last + 1).contains(&written), "round {round}: printed {last}, found {written}");
            assert_eq!(saved.rows.len(), 1, "both tables are written in one transaction");
            let minutes = store.availability("eu", &[("minute", 1)]).expect("a cluster").intervals;
            let newest = minutes.iter().map(|minute| minute.begin / 60).max().expect("a minute");
            assert!(newest >= i64::from(last) - 1, "round {round}: only the last minute may be missing");
            last = written;
        }
        let left = fs::read_dir(folder.path()).expect("a folder").flatten();
        assert!(left.into_iter().all(|entry| !entry.path().display().to_string().contains("aside")));
    }
}
