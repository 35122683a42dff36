//! The file of `[lag] exclude.file`: groups and topics that are left out. The file is read again whenever it has changed.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::task::JoinHandle;

use crate::{config, files::read_once, text::plain};

/// The largest file that is read, in bytes: a longer one is a mistake.
const LONGEST: u64 = 1 << 20;

/// How long a cycle waits for the disk. If reading takes longer, a later cycle takes in the result.
const PATIENCE: Duration = Duration::from_millis(200);

/// When a file was last modified, and its length in bytes; absent if the file does not exist.
type Version = Option<(SystemTime, u64)>;

/// The file and its last state.
#[derive(Debug, Default)]
pub(crate) struct Excluded {
    path: PathBuf,
    /// The version that was last read; absent while the file does not exist or cannot be read.
    version: Version,
    failing: bool,
    /// The read that is under way: on a disk that hangs there is never more than one.
    reading: Option<JoinHandle<ReadResult>>,
}

/// The names in the file and its version; absent if the file has not changed.
type ReadResult = io::Result<Option<(Names, Version)>>;

/// The names in the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    groups: BTreeSet<String>,
    topics: BTreeSet<String>,
    /// The numbers of the lines that could not be understood.
    wrong: Vec<usize>,
}

impl Excluded {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Reads the file if it has changed, and leaves out the names in it. A file that does not exist leaves out nothing. A file
    /// that cannot be read leaves out the same names as before.
    pub(crate) async fn apply(&mut self, cluster: &mut config::Cluster) {
        let Some(names) = self.changed().await else { return };
        let (path, name) = (self.path.display(), plain(&cluster.name));
        for line in &names.wrong {
            tracing::warn!("{path}:{line}: expected group NAME or topic NAME");
        }
        let (groups, topics) = (names.groups.len(), names.topics.len());
        tracing::info!(cluster = name, groups, topics, "left out by {path}");
        cluster.lag.groups_filter.exclude(names.groups);
        cluster.lag.topics.exclude(names.topics);
    }

    /// The names in the file. Absent if the file has not changed since the last call, if it cannot be read, and while the disk
    /// does not answer.
    async fn changed(&mut self) -> Option<Names> {
        let (path, version) = (self.path.clone(), self.version);
        let read = read_once(&mut self.reading, PATIENCE, move || read(&path, version)).await?;
        match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(None) => None,
            Ok(Some((names, version))) => {
                self.version = version;
                self.failing = false;
                Some(names)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let path = self.path.display();
                    tracing::warn!("[lag] exclude.file: {path} cannot be read: {error}");
                }
                None
            }
        }
    }
}

fn read(path: &Path, before: Version) -> ReadResult {
    let found = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(io::Error::other("it is no file")),
        Ok(found) if found.len() > LONGEST => return Err(io::Error::other("it is longer than a megabyte")),
        Ok(found) => Some((found.modified()?, found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if found == before {
        return Ok(None);
    }
    let text = if found.is_some() { fs::read_to_string(path)? } else { String::new() };
    Ok(Some((parse(&text), found)))
}

/// Reads lines of the form `group NAME` or `topic NAME`. A line that begins with `#` is a comment.
fn parse(text: &str) -> Names {
    let mut names = Names::default();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        match line.split_once(char::is_whitespace).map(|(what, name)| (what, name.trim().to_owned())) {
            _ if line.is_empty() || line.starts_with('#') => {}
            Some(("group", name)) => _ = names.groups.insert(name),
            Some(("topic", name)) => _ = names.topics.insert(name),
            _ => names.wrong.push(number),
        }
    }
    names
}

/// Entry point for fuzzing: reads bytes as a file.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let names = parse(text);
    assert!(names.groups.iter().chain(&names.topics).all(|name| name.trim() == name));
    assert!(names.groups.len() + names.topics.len() + names.wrong.len() <= text.lines().count());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn name_in_the_file_is_left_out_until_it_is_removed_from_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("excluded");
        let sources = config::Sources { bootstrap: Some("b:1".to_owned()), ..Default::default() };
        let mut cluster = config::load(&sources).expect("valid").clusters.remove(0);
        let mut excluded = Excluded::of(&path);
        assert_eq!(excluded.changed().await, None, "there is no file, and there was none");
        fs::write(&path, "# dead\n group  a b\ntopic t\ngroups c\n\n").expect("a file");
        excluded.apply(&mut cluster).await;
        assert_eq!(excluded.changed().await, None, "read once");
        let watches = |cluster: &config::Cluster| {
            (["a b", "c"].map(|group| cluster.lag.watches(group)), cluster.lag.topics.covers("t"))
        };
        assert_eq!(watches(&cluster), ([false, true], false));
        cluster.lag.groups = vec!["a b".to_owned()];
        assert!(!cluster.lag.watches("a b"), "the exclusion file wins over the configured groups");
        fs::remove_file(&path).expect("it was there");
        excluded.apply(&mut cluster).await;
        assert_eq!(watches(&cluster), ([true, true], true));
        fs::create_dir(&path).expect("a folder in its place");
        assert!(excluded.changed().await.is_none() && excluded.failing);
        assert_eq!(parse("x\ngroup\ntopic  y ").wrong, [1, 2]);
    }
    #[tokio::test]
    async fn disk_that_hangs_is_read_once_and_delays_no_cycle() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, config) = (folder.path().join("excluded"), config::Sources::default());
        let sources = config::Sources { bootstrap: Some("b:1".to_owned()), ..config };
        let mut cluster = config::load(&sources).expect("valid").clusters.remove(0);
        let mut excluded = Excluded::of(&path);
        let (answer, hung) = std::sync::mpsc::channel();
        excluded.reading = Some(tokio::task::spawn_blocking(move || {
            hung.recv().expect("an answer");
            Ok(Some((parse("group g"), None)))
        }));
        for _ in 0..3 {
            assert!(excluded.changed().await.is_none() && excluded.reading.is_some());
        }
        answer.send(()).expect("somebody waits");
        let applied = async {
            while cluster.lag.watches("g") {
                excluded.apply(&mut cluster).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), applied).await.expect("the names are applied");
        assert!(excluded.reading.is_none());
    }
}
