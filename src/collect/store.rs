//! Histories that survive a restart: one SQLite file for all clusters, written once a minute at least, never on
//! the path of an answer.
//!
//! A file that is damaged, or of a newer program, is set aside under another name and never deleted. Without
//! a file, or when it cannot be written, histories live in memory alone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, params};

use super::history::History;
use crate::kafka::TopicId;

/// The schema that this program writes. In the first one, samples did not tell what their times count from.
const VERSION: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS epoch (cluster TEXT PRIMARY KEY, began_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS history (
        cluster TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
        topic_id BLOB, samples BLOB NOT NULL,
        PRIMARY KEY (cluster, topic, partition)
    ) WITHOUT ROWID;
";

/// A clock that is corrected may go back by so much.
const CORRECTION: Duration = Duration::from_secs(60);

/// From the first schema: times counted from the epoch.
const FROM_FIRST: &str = "UPDATE history
    SET samples = unhex(substr(hex(samples), 1, 16) || '0000000000000000' || substr(hex(samples), 17))";

/// The file.
#[derive(Debug)]
pub struct Store(Mutex<Connection>);

/// One partition's history.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) id: Option<TopicId>,
    /// `None` for one that has gone.
    pub(super) history: Option<History>,
}

impl Row {
    /// One that has gone.
    pub(super) fn gone(topic: &Arc<str>, partition: i32) -> Self {
        Self { topic: topic.clone(), partition, id: None, history: None }
    }
}

/// What a file held of a cluster.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// From the time that histories count from to now.
    pub(super) age: Duration,
    pub(super) rows: Vec<Row>,
}

impl Store {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// Why neither it nor another in its place can be used.
    pub fn open(path: &Path) -> Result<Self, String> {
        match Self::try_open(path) {
            Ok(store) => Ok(store),
            Err(Refusal::Locked(words)) => Err(format!("{} is in use: {words}", path.display())),
            Err(Refusal::Unusable(words)) => {
                let aside =
                    set_aside(path).map_err(|error| format!("{}: {words}; {error}", path.display()))?;
                let (path, aside) = (path.display().to_string(), aside.display().to_string());
                tracing::warn!(path, aside, "the history cannot be used and was set aside: {words}");
                Self::try_open(Path::new(&path)).map_err(|refusal| match refusal {
                    Refusal::Locked(words) | Refusal::Unusable(words) => format!("{path}: {words}"),
                })
            }
        }
    }

    fn try_open(path: &Path) -> Result<Self, Refusal> {
        let mut file = Connection::open(path)?;
        file.busy_timeout(Duration::from_secs(2))?;
        // Two programs that write one history would spoil it for both.
        file.pragma_update(None, "locking_mode", "exclusive")?;
        file.pragma_update(None, "journal_mode", "wal")?;
        file.pragma_update(None, "synchronous", "normal")?;
        let sound: String = file.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(Refusal::Unusable(sound));
        }
        let version: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version > VERSION {
            return Err(Refusal::Unusable(format!("it has schema {version}, this program knows {VERSION}")));
        }
        let change = file.transaction()?;
        change.execute_batch(SCHEMA)?;
        if version == 1 {
            change.execute(FROM_FIRST, [])?;
        }
        change.pragma_update(None, "user_version", VERSION)?;
        change.commit()?;
        Ok(Self(Mutex::new(file)))
    }

    fn file(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a cluster, with times that count from its epoch. Where the clock was set back to before
    /// what is known, by more than clocks are corrected, nothing is: nobody can say how long ago it was.
    pub(super) fn load(&self, cluster: &str) -> rusqlite::Result<Saved> {
        let mut file = self.file();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let began: Option<i64> = file
            .query_row("SELECT began_ms FROM epoch WHERE cluster = ?1", [cluster], |row| row.get(0))
            .optional()?;
        let age = began.and_then(|began| u64::try_from(now_ms - began).ok()).map(Duration::from_millis);
        let saved = age.map(|age| read(&file, cluster).map(|rows| Saved { age, rows })).transpose()?;
        if let Some(saved) = saved {
            let histories = saved.rows.iter().filter_map(|row| row.history.as_ref()?.last());
            let last = histories.max().unwrap_or_default();
            if last <= saved.age + CORRECTION {
                return Ok(Saved { age: saved.age.max(last), ..saved });
            }
            tracing::warn!(cluster, "the clock was set back: the history begins anew");
        }
        let change = file.transaction()?;
        change.execute("DELETE FROM history WHERE cluster = ?1", [cluster])?;
        change.execute("REPLACE INTO epoch VALUES (?1, ?2)", params![cluster, now_ms])?;
        change.commit()?;
        Ok(Saved::default())
    }

    /// Writes histories that changed, all or none.
    pub(super) fn save(&self, cluster: &str, rows: &[Row]) -> rusqlite::Result<()> {
        let mut file = self.file();
        let change = file.transaction()?;
        {
            let mut put = change.prepare("REPLACE INTO history VALUES (?1, ?2, ?3, ?4, ?5)")?;
            let mut drop =
                change.prepare("DELETE FROM history WHERE cluster = ?1 AND topic = ?2 AND partition = ?3")?;
            for Row { topic, partition, id, history } in rows {
                match history {
                    Some(history) => {
                        let id = id.map(|id| id.0.to_be_bytes());
                        put.execute(params![
                            cluster,
                            &**topic,
                            partition,
                            id.as_ref().map(|id| &id[..]),
                            history.to_bytes()
                        ])?;
                    }
                    None => _ = drop.execute(params![cluster, &**topic, partition])?,
                }
            }
        }
        change.commit()
    }
}

/// All rows of a cluster that make sense.
fn read(file: &Connection, cluster: &str) -> rusqlite::Result<Vec<Row>> {
    let mut rows =
        file.prepare("SELECT topic, partition, topic_id, samples FROM history WHERE cluster = ?1")?;
    let rows = rows.query_map([cluster], |row| {
        let id: Option<Vec<u8>> = row.get(2)?;
        let samples: Vec<u8> = row.get(3)?;
        let id = id.and_then(|bytes| Some(TopicId(u128::from_be_bytes(bytes.try_into().ok()?))));
        let topic: String = row.get(0)?;
        Ok(Row { topic: topic.into(), partition: row.get(1)?, id, history: History::from_bytes(&samples) })
    })?;
    Ok(rows.filter_map(Result::ok).collect())
}

enum Refusal {
    /// Somebody else has it.
    Locked(String),
    /// Damaged, or not ours.
    Unusable(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Refusal::Unusable(error.to_string()),
            // A folder that is missing or read-only is no reason to rename anything.
            _ => Refusal::Locked(error.to_string()),
        }
    }
}

/// Renames the file and what SQLite keeps beside it.
fn set_aside(path: &Path) -> Result<PathBuf, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let aside = beside(&format!(".aside-{since}"));
    fs::rename(path, &aside).map_err(|error| format!("it cannot be set aside: {error}"))?;
    for end in ["-wal", "-shm"] {
        // Often there is none.
        _ = fs::rename(beside(end), beside(&format!(".aside-{since}{end}")));
    }
    Ok(aside)
}

/// Histories by topic and partition.
pub(super) type Loaded = BTreeMap<Arc<str>, (Option<TopicId>, BTreeMap<i32, History>)>;

impl Saved {
    pub(super) fn by_topic(self) -> Loaded {
        let mut loaded = Loaded::new();
        for Row { topic, partition, id, history } in self.rows {
            let Some(history) = history else { continue };
            let (of, partitions) = loaded.entry(topic).or_insert_with(|| (id, BTreeMap::new()));
            // Of two topics of one name nobody knows which is the one that is there.
            if *of == id {
                partitions.insert(partition, history);
            }
        }
        loaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(ends: &[i64]) -> History {
        let mut history = History::default();
        for (n, end) in ends.iter().enumerate() {
            history.add(Duration::from_secs(60 * n as u64), *end);
        }
        history
    }

    /// As if the file had been begun an hour ago.
    fn age(store: &Store) {
        let older = "UPDATE epoch SET began_ms = began_ms - 3600000";
        assert_eq!(store.file().execute(older, []).expect("a file"), 1);
    }

    fn row(topic: &str, id: u128, history: Option<History>) -> Row {
        Row { topic: topic.into(), partition: 3, id: Some(TopicId(id)), history }
    }

    #[test]
    fn what_was_saved_is_there_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let far = history(&[1 << 40, (1 << 40) + 5, (1 << 40) + 70]);
        {
            let store = Store::open(&path).expect("a new file");
            assert!(store.load("eu").expect("nothing yet").rows.is_empty());
            age(&store);
            store
                .save("eu", &[row("a", 7, Some(far.clone())), row("b", 8, Some(history(&[1, 2])))])
                .expect("saved");
            store.save("us", &[row("a", 9, Some(history(&[5])))]).expect("saved");
            store.save("eu", &[row("b", 8, None)]).expect("saved");
        }
        let store = Store::open(&path).expect("the same file");
        let saved = store.load("eu").expect("a cluster");
        assert!((3600..3660).contains(&saved.age.as_secs()), "{:?}", saved.age);
        let loaded = saved.by_topic();
        assert_eq!(loaded.keys().map(|topic| &**topic).collect::<Vec<_>>(), ["a"]);
        let (id, partitions) = &loaded["a"];
        assert_eq!(*id, Some(TopicId(7)));
        let now = Duration::from_secs(200);
        assert_eq!(partitions[&3].age((1 << 40) + 7, now), far.age((1 << 40) + 7, now));
        assert!(far.age((1 << 40) + 7, now).is_some());
    }

    #[test]
    fn a_damaged_or_newer_file_is_set_aside_and_kept() {
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
            store.save("eu", &[row("a", 1, Some(history(&[1, 2])))]).expect("it works");
            let aside = fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path());
            let prefix = format!("{}.aside-", path.display());
            let aside =
                aside.filter(|path| path.display().to_string().starts_with(&prefix)).min().expect("kept");
            assert_eq!(fs::read(aside).expect("a file").len(), before.len());
        }
        assert!(Store::open(&folder.path().join("missing/history.db")).is_err(), "a folder is not made up");
    }

    #[test]
    fn a_file_of_the_first_schema_is_carried_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        drop(Store::open(&path).expect("a new file"));
        let far = history(&[1 << 40, (1 << 40) + 5, (1 << 40) + 70]);
        let mut bytes = far.to_bytes();
        bytes.drain(8..16);
        {
            let file = Connection::open(&path).expect("a file");
            file.pragma_update(None, "user_version", 1).expect("a version");
            file.execute("INSERT INTO epoch VALUES ('eu', 0)", []).expect("an epoch");
            let put = "INSERT INTO history VALUES ('eu', 'a', 3, NULL, ?1)";
            file.execute(put, [bytes]).expect("a row");
        }
        for _ in 0..2 {
            let loaded = Store::open(&path).expect("the same file").load("eu").expect("a cluster").by_topic();
            assert_eq!(loaded["a"].1[&3].to_bytes(), far.to_bytes());
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was set aside");
    }

    #[test]
    fn of_samples_from_the_future_nobody_knows_how_old_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("history.db")).expect("a new file");
        store.load("eu").expect("nothing yet");
        age(&store);
        let mut ahead = history(&[1, 2]);
        ahead.add(Duration::from_secs(7200), 5);
        store.save("eu", &[row("a", 7, Some(ahead))]).expect("saved");
        assert!(store.load("eu").expect("a cluster").rows.is_empty(), "the clock was set back");
        let mut now = History::default();
        now.add(CORRECTION / 2, 5);
        store.save("eu", &[row("a", 7, Some(now.clone()))]).expect("saved");
        let again = store.load("eu").expect("a cluster");
        assert_eq!(again.rows.len(), 1, "it begins anew, and a clock may be corrected");
        assert_eq!(Some(again.age), now.last());
    }
}
