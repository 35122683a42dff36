//! The history file of a service that does not run, opened for nothing but reading: no file is created, changed or locked.

use std::{
    fmt,
    fs::{self, DirBuilder},
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    availability::{IncidentRow, IntervalRow, incidents_before, intervals_between},
    file::beside,
    tables::VERSION,
};
use crate::clock::since_1970;

const LOCKED: &str = "a running service has locked the file: ask the service with --url, or stop the service, or name a copy of the file \
                      that was made together with its -wal file";

/// What a history file holds of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The name of the cluster.
    pub cluster: String,
    /// The intervals of the wanted length and time, the oldest first.
    pub intervals: Vec<IntervalRow>,
    /// The incidents that began before the end of the wanted time, the oldest first.
    pub incidents: Vec<IncidentRow>,
}

/// Why a history file cannot be read, and the remedy: whole words that begin with the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// A running service has locked the file.
    Locked(String),
    /// The file is missing, damaged, no history file, or of another version.
    Failed(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Locked(words) | Self::Failed(words)) = self;
        f.write_str(words)
    }
}

impl Unreadable {
    fn at(self, path: &Path) -> Self {
        let words = format!("{}: {self}", path.display());
        match self {
            Self::Locked(_) => Self::Locked(words),
            Self::Failed(_) => Self::Failed(words),
        }
    }
}

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                "this is no history file: name the file of [history] path".to_owned()
            }
            Some(ErrorCode::DatabaseCorrupt) => format!("the history file is damaged: {error}"),
            _ => format!("the history file cannot be read: {error}"),
        })
    }
}

/// Reads the intervals of a resolution that begin at `from` or later and before `to`, in seconds since 1970, and the incidents, of
/// every cluster of a history file.
///
/// # Errors
/// The file cannot be read, or a service has locked it.
pub fn read_archive(path: &Path, resolution: &str, from: i64, to: i64) -> Result<Vec<Archived>, Unreadable> {
    read(path, resolution, from, to).map_err(|error| error.at(path))
}

fn read(path: &Path, resolution: &str, from: i64, to: i64) -> Result<Vec<Archived>, Unreadable> {
    let failed = |words: String| Unreadable::Failed(words);
    // SQLite keeps its other files beside the file that a link leads to.
    let real = fs::canonicalize(path)
        .map_err(|error| failed(format!("the history file cannot be read: {error}")))?;
    if !real.is_file() {
        return Err(failed("this is no file: name the file of [history] path".to_owned()));
    }
    ensure_is_not_locked(&real)?;
    let (file, copy) = open(&real)?;
    check(&file)?;
    let archived = all(&file, resolution, from, to)?;
    drop((file, copy));
    // A service that was started meanwhile may have changed what was read.
    ensure_is_not_locked(&real)?;
    Ok(archived)
}

/// Makes sure that no service has locked the file.
///
/// SQLite looks for the lock of another process before anything else. It then tries to lock the file for itself alone, which it
/// cannot, because the file is open for reading only. So it leaves the other files alone.
fn ensure_is_not_locked(path: &Path) -> Result<(), Unreadable> {
    let file = connect(path, "")?;
    let looked = file
        .pragma_update(None, "locking_mode", "exclusive")
        .and_then(|()| file.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)));
    match looked {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Err(Unreadable::Locked(LOCKED.to_owned()))
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Opens the file, or a copy of it if a service that was killed has left changes beside the file.
fn open(path: &Path) -> Result<(Connection, Option<Copied>), Unreadable> {
    let log = beside(path, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let copy = Copied::of(path, &log).map_err(|error| {
            let folder = std::env::temp_dir();
            Unreadable::Failed(format!("the file cannot be copied to {}: {error}", folder.display()))
        })?;
        return Ok((Connection::open(&copy.file)?, Some(copy)));
    }
    Ok((connect(path, "?immutable=1")?, None))
}

/// A connection for reading alone. `options` follow the path in the URI.
fn connect(path: &Path, options: &str) -> rusqlite::Result<Connection> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(*byte))
            }
            _ => uri += &format!("%{byte:02x}"),
        }
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri + options, flags)
}

/// Whether the file is a history file that this program can read.
fn check(file: &Connection) -> Result<(), Unreadable> {
    let version: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(Unreadable::Failed(format!(
            "a newer version of kafka-heartbeat wrote this file (schema {version}, this program knows {VERSION}): use that version"
        )));
    }
    let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('availability', 'incident', 'epoch')";
    let tables: i64 = file.query_row(tables, [], |row| row.get(0))?;
    if tables < 3 {
        return Err(Unreadable::Failed(format!(
            "the file holds no days (schema {version}): an older version of kafka-heartbeat wrote it, or it is no history file. Days are \
             kept from the first start of this version with this file in [history] path"
        )));
    }
    Ok(())
}

fn all(file: &Connection, resolution: &str, from: i64, to: i64) -> rusqlite::Result<Vec<Archived>> {
    let names = "SELECT cluster FROM availability UNION SELECT cluster FROM incident UNION SELECT cluster FROM epoch ORDER BY cluster";
    let names: Vec<String> =
        file.prepare(names)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let archived = |cluster: String| {
        let intervals = intervals_between(file, &cluster, resolution, from, to)?;
        let incidents = incidents_before(file, &cluster, to.saturating_mul(1000))?;
        Ok(Archived { cluster, intervals, incidents })
    };
    names.into_iter().map(archived).collect()
}

/// A copy of a history file in a folder of its own, which is removed in the end.
struct Copied {
    folder: PathBuf,
    file: PathBuf,
}

impl Copied {
    fn of(path: &Path, log: &Path) -> std::io::Result<Self> {
        let name =
            format!("kafka-heartbeat-{}-{}", std::process::id(), since_1970(SystemTime::now()).as_nanos());
        let folder = std::env::temp_dir().join(name);
        // A folder that exists already is refused: it may belong to somebody else.
        DirBuilder::new().mode(0o700).create(&folder)?;
        let copy = Self { file: folder.join("history.db"), folder };
        fs::copy(path, &copy.file)?;
        fs::copy(log, beside(&copy.file, "-wal"))?;
        Ok(copy)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // What is left over is in the folder of temporary files, and for the owner alone.
        _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{
        super::{availability::Kept, database::Store},
        *,
    };

    const RESOLUTION: &str = "day";

    fn day(begin: i64) -> IntervalRow {
        IntervalRow { resolution: RESOLUTION.to_owned(), begin, bytes: (*b"x").into() }
    }

    /// A file with two days of two clusters, and the service that holds it.
    fn file(path: &Path) -> Store {
        let store = Store::open(path).expect("a new file");
        let incidents = vec![IncidentRow { begin_ms: 5, body: "{}".to_owned() }];
        let kept = Kept { intervals: vec![day(0), day(86_400)], incidents };
        for cluster in ["a", "b"] {
            store.write_availability(cluster, &kept, &[], 9, 0).expect("written");
        }
        store
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    }

    fn read(path: &Path) -> Result<Vec<Archived>, String> {
        read_archive(path, RESOLUTION, 0, 86_400).map_err(|error| error.to_string())
    }

    #[test]
    fn file_of_a_stopped_service_is_read_and_not_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a ?#% file.db");
        drop(file(&path));
        let (bytes, before) = (fs::read(&path).expect("bytes"), names(folder.path()));
        let archived = read(&path).expect("read");
        let shown: Vec<_> =
            archived.iter().map(|one| (&*one.cluster, &one.intervals[..], one.incidents.len())).collect();
        assert_eq!(shown, [("a", &[day(0)][..], 1), ("b", &[day(0)][..], 1)]);
        assert_eq!((fs::read(&path).expect("bytes"), names(folder.path())), (bytes, before));
    }

    #[test]
    fn file_of_a_killed_service_is_read_with_what_it_had_not_yet_put_into_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, killed) = (folder.path().join("history.db"), folder.path().join("killed.db"));
        let store = file(&path);
        // The files as they are while the service runs.
        fs::copy(&path, &killed).expect("copied");
        fs::copy(beside(&path, "-wal"), beside(&killed, "-wal")).expect("copied");
        drop(store);
        let before = names(folder.path());
        assert_eq!(read(&killed).expect("read").len(), 2);
        assert_eq!(names(folder.path()), before);
    }

    #[test]
    fn file_that_cannot_be_read_is_an_error_with_a_remedy_and_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        drop(file(&at("newer.db")));
        let newer = Connection::open(at("newer.db")).expect("a file");
        newer.pragma_update(None, "user_version", VERSION + 1).expect("a version");
        drop(newer);
        let older = Connection::open(at("older.db")).expect("a file");
        older.execute_batch("CREATE TABLE epoch (a)").expect("a table");
        drop(older);
        fs::write(at("text.db"), "no database at all, and long enough to be read as one".repeat(40))
            .expect("a file");
        fs::write(at("empty.db"), "").expect("a file");
        let before = names(folder.path());
        for (name, words) in [
            ("newer.db", "a newer version of kafka-heartbeat wrote this file"),
            ("older.db", "holds no days"),
            ("text.db", "no history file"),
            ("empty.db", "holds no days"),
            ("missing.db", "cannot be read: No such file"),
            ("", "is no file"),
        ] {
            let error = read(&at(name)).expect_err(name);
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(names(folder.path()), before, "nothing is created");
    }
}
