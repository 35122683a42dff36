//! The history file: opened and checked, set aside if it cannot be used, and created again if it was removed.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, ErrorCode};

use super::tables::{self, FROM_FIRST, VERSION};
use crate::clock::since_1970;

/// An open history file, and the identity that distinguishes it from another file under the same name.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    /// Absent while no file can be opened in place of the file that was removed.
    connection: Option<Connection>,
    /// The identity of the open file. Absent if it could not be read.
    identity: Option<Identity>,
    /// The write-ahead log that SQLite keeps beside the open file. SQLite leaves it there if the file is replaced, and
    /// would apply it to the new file, whatever that holds.
    log: Option<Identity>,
    /// The number of times that the file was removed or replaced.
    generation: u64,
}

/// How the name of SQLite's write-ahead log ends, after the name of the file.
const LOG: &str = "-wal";

/// A device and the number of a file on it.
type Identity = (u64, u64);

/// The reason why changes were not written.
#[derive(Debug)]
pub enum Unsaved {
    /// The file was removed or replaced. Another file is open, with this generation; it lacks all rows.
    Replaced(u64),
    /// The file cannot be written: the kind of failure, and the reason in words.
    Failed(&'static str, String),
}

impl Unsaved {
    /// Every kind of failure, in the order of the labels.
    pub const KINDS: [&'static str; 8] =
        ["damaged", "disk_full", "io", "locked", "no_answer", "other", "replaced", "unreachable"];

    /// The kind of the failure as a label value.
    pub fn kind(&self) -> &'static str {
        match self {
            Unsaved::Replaced(_) => "replaced",
            Unsaved::Failed(kind, _) => kind,
        }
    }
}

impl From<rusqlite::Error> for Unsaved {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "disk_full",
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly) => "io",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "locked",
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "damaged",
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => "unreachable",
            _ => "other",
        };
        Unsaved::Failed(kind, error.to_string())
    }
}

impl File {
    /// Opens the file, or creates it. A file that cannot be used is set aside.
    ///
    /// # Errors
    /// The reason, in words, if no file can be opened.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let connection = Some(open(path)?);
        let (identity, log) = (identity(path), identity(&beside(path, LOG)));
        Ok(Self { path: path.to_owned(), connection, identity, log, generation: 0 })
    }

    /// The number of times that the file was removed or replaced since the start.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The connection to the open file.
    ///
    /// # Errors
    /// No file is open.
    pub(crate) fn connection(&mut self) -> rusqlite::Result<&mut Connection> {
        self.connection.as_mut().ok_or_else(|| rusqlite::Error::InvalidPath(self.path.clone()))
    }

    /// Opens another file if the open file was removed or replaced: rows that are written to a deleted file are lost at
    /// the end of the process.
    ///
    /// # Errors
    /// No other file can be opened.
    pub(crate) fn notice(&mut self) -> Result<(), Unsaved> {
        let found = identity(&self.path);
        if self.connection.is_some() && found.is_some() && found == self.identity {
            return Ok(());
        }
        let path = self.path.display().to_string();
        if self.connection.take().is_some() {
            tracing::warn!(
                path,
                "the history file was removed or replaced; the file that is there will be opened, or a new one created"
            );
        }
        self.set_log_aside()?;
        let connection = open(&self.path).map_err(|words| Unsaved::Failed("unreachable", words))?;
        self.connection = Some(connection);
        self.identity = identity(&self.path);
        self.log = identity(&beside(&self.path, LOG));
        self.generation += 1;
        tracing::info!(path, "opened the history file; the service writes all its histories to it");
        Ok(())
    }

    /// Renames the write-ahead log of the file that was removed or replaced, unless the log was replaced as well.
    fn set_log_aside(&mut self) -> Result<(), Unsaved> {
        let log = beside(&self.path, LOG);
        if self.log.is_some() && identity(&log) == self.log {
            let aside = beside(&self.path, &format!("{}{LOG}", aside()));
            fs::rename(&log, &aside).map_err(|error| {
                Unsaved::Failed("io", format!("{} cannot be set aside: {error}", log.display()))
            })?;
        }
        self.log = None;
        Ok(())
    }
}

/// The identity of the file at this path. Absent if there is no such file, or it cannot be reached.
fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn open(path: &Path) -> Result<Connection, String> {
    match try_open(path) {
        Ok(file) => Ok(file),
        Err(Refusal::Locked(words)) => Err(format!("{} cannot be used: {words}", path.display())),
        Err(Refusal::Unusable(words)) => {
            let aside = set_aside(path).map_err(|error| format!("{}: {words}; {error}", path.display()))?;
            let (path, aside) = (path.display().to_string(), aside.display().to_string());
            tracing::warn!(path, aside, "the history file cannot be used and was set aside: {words}");
            try_open(Path::new(&path)).map_err(|refusal| match refusal {
                Refusal::Locked(words) | Refusal::Unusable(words) => format!("{path}: {words}"),
            })
        }
    }
}

fn try_open(path: &Path) -> Result<Connection, Refusal> {
    let mut file = Connection::open(path)?;
    file.busy_timeout(Duration::from_secs(2))?;
    // Two programs that write to one history file would overwrite each other's rows.
    file.pragma_update(None, "locking_mode", "exclusive")?;
    // SQLite ignores this setting for a file that already has tables.
    file.pragma_update(None, "auto_vacuum", "incremental")?;
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
    change.execute_batch(tables::SCHEMA)?;
    if version == 1 {
        change.execute(FROM_FIRST, [])?;
    }
    change.pragma_update(None, "user_version", VERSION)?;
    change.commit()?;
    Ok(file)
}

/// The reason why a file cannot be opened.
enum Refusal {
    /// Another process has locked the file, or the file cannot be reached. It is left as it is.
    Locked(String),
    /// The file is damaged, or not a history file of this version. It is set aside.
    Unusable(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Refusal::Unusable(error.to_string()),
            // Any other error, such as a folder that is missing or read-only, is no reason to rename the file.
            _ => Refusal::Locked(error.to_string()),
        }
    }
}

/// Renames the file and the files that SQLite keeps beside it. Returns the new path.
fn set_aside(path: &Path) -> Result<PathBuf, String> {
    let end = aside();
    let aside = beside(path, &end);
    fs::rename(path, &aside).map_err(|error| format!("it cannot be set aside: {error}"))?;
    for kept in [LOG, "-shm"] {
        // Usually SQLite has left no such file.
        _ = fs::rename(beside(path, kept), beside(path, &format!("{end}{kept}")));
    }
    Ok(aside)
}

/// The suffix for the name of a file that is set aside: `.aside-` and the time in seconds since 1970.
fn aside() -> String {
    format!(".aside-{}", since_1970(SystemTime::now()).as_secs())
}

/// The path with this suffix.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: i64 = 3000;

    fn fill(file: &mut File, cluster: &str) {
        let change = file.connection().expect("open").transaction().expect("a transaction");
        for number in 0..ROWS {
            let name = format!("{cluster} {number}");
            change.execute("INSERT INTO epoch VALUES (?1, 0)", [name]).expect("a row");
        }
        change.commit().expect("written");
    }

    fn rows(file: &mut File, cluster: &str) -> i64 {
        let connection = file.connection().expect("open");
        let sound: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
        assert_eq!(sound, "ok");
        let count = "SELECT count(*) FROM epoch WHERE cluster LIKE ?1";
        connection.query_row(count, [format!("{cluster} %")], |row| row.get(0)).expect("a count")
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn history_file_replaced_while_running_does_not_get_the_write_ahead_log_of_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, theirs) = (folder.path().join("history.db"), folder.path().join("theirs.db"));
        fill(&mut File::open(&theirs).expect("a new file"), "theirs");
        let mut file = File::open(&path).expect("a new file");
        fill(&mut file, "ours");
        fs::rename(&theirs, &path).expect("replaced");
        file.notice().expect("another file is open");
        assert_eq!((rows(&mut file, "theirs"), rows(&mut file, "ours")), (ROWS, 0));
        let kept = files(folder.path());
        let is_kept = |name: &String| name.starts_with("history.db.aside-") && name.ends_with("-wal");
        assert!(kept.iter().any(is_kept), "the log of the old file is not deleted: {kept:?}");
    }

    #[test]
    fn history_file_replaced_together_with_its_write_ahead_log_keeps_both() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        // The files are copied while they are in use: a process that is killed leaves them like this.
        let mut running = File::open(&folder.path().join("running.db")).expect("a new file");
        fill(&mut running, "theirs");
        for end in ["", "-wal"] {
            let copy = |from: &str, to: &str| {
                let at = |name: &str| folder.path().join(format!("{name}.db{end}"));
                fs::copy(at(from), at(to)).expect("copied");
            };
            copy("running", "theirs");
        }
        let mut file = File::open(&path).expect("a new file");
        fill(&mut file, "ours");
        for end in ["-wal", ""] {
            let at = |name: &str| folder.path().join(format!("{name}.db{end}"));
            fs::rename(at("theirs"), at("history")).expect("replaced");
        }
        file.notice().expect("another file is open");
        assert_eq!((rows(&mut file, "theirs"), rows(&mut file, "ours")), (ROWS, 0));
        assert!(files(folder.path()).iter().all(|name| !name.contains("aside")), "nothing is set aside");
    }
}
