//! Groups and topics that are left out: by a file that is read again when it has changed, and by the configuration.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::{task::JoinHandle, time::timeout};

use crate::{config, kafka::fault::plain};

/// A longer file is a mistake.
const LONGEST: u64 = 1 << 20;

/// A disk that takes longer is not waited for: what it says is taken in when it says it.
const PATIENCE: Duration = Duration::from_millis(200);

/// When a file was written, and how long it is; nothing, for one that is not there.
type Seen = Option<(SystemTime, u64)>;

/// The file, as it was last read.
#[derive(Debug, Default)]
pub(crate) struct Excluded {
    path: PathBuf,
    /// When it was written, and how long it is; nothing, while it cannot be read.
    seen: Seen,
    failing: bool,
    /// What is being read: of a disk that hangs, one is enough.
    reading: Option<JoinHandle<Read>>,
}

/// What a file says, and which one it is, if it is another one than before.
type Read = io::Result<Option<(Names, Seen)>>;

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    groups: BTreeSet<String>,
    topics: BTreeSet<String>,
    /// Lines that say nothing.
    wrong: Vec<usize>,
}

impl Excluded {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Takes in what has changed; tells whether something has. A file that is missing leaves nobody out, and one that
    /// cannot be read leaves out whom it left out before.
    pub(crate) async fn apply(&mut self, cluster: &mut config::Cluster) -> bool {
        let reading = self.reading.get_or_insert_with(|| {
            let (path, seen) = (self.path.clone(), self.seen);
            tokio::task::spawn_blocking(move || read(&path, seen))
        });
        let Ok(read) = timeout(PATIENCE, reading).await else { return false };
        self.reading = None;
        let read = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(None) => return false,
            Ok(Some((names, seen))) => {
                self.seen = seen;
                names
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let path = self.path.display();
                    tracing::warn!("[lag] exclude.file: {path} cannot be read: {error}");
                }
                return false;
            }
        };
        self.failing = false;
        let (path, name) = (self.path.display(), plain(&cluster.name));
        for line in &read.wrong {
            tracing::warn!("{path}:{line}: expected group NAME or topic NAME");
        }
        let (groups, topics) = (read.groups.len(), read.topics.len());
        tracing::info!(cluster = name, groups, topics, "left out by {path}");
        cluster.lag.groups_filter.exclude(read.groups);
        cluster.lag.topics.exclude(read.topics);
        true
    }
}

fn read(path: &Path, before: Seen) -> Read {
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

/// A line each: `group NAME` or `topic NAME`. What begins with `#` is a comment.
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

/// Entry point for fuzzing: the content of a file.
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
    async fn who_is_named_is_left_out_until_he_is_not_named_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("excluded");
        let sources = config::Sources { bootstrap: Some("b:1".to_owned()), ..Default::default() };
        let mut cluster = config::load(&sources).expect("valid").clusters.remove(0);
        let mut excluded = Excluded::of(&path);
        assert!(!excluded.apply(&mut cluster).await, "there is no file, and there was none");
        fs::write(&path, "# dead\n group  a b\ntopic t\ngroups c\n\n").expect("a file");
        assert!(excluded.apply(&mut cluster).await && !excluded.apply(&mut cluster).await, "read once");
        let watches = |cluster: &config::Cluster| {
            (["a b", "c"].map(|group| cluster.lag.watches(group)), cluster.lag.topics.covers("t"))
        };
        assert_eq!(watches(&cluster), ([false, true], false));
        cluster.lag.groups = vec!["a b".to_owned()];
        assert!(!cluster.lag.watches("a b"), "also of those that are named to be watched");
        fs::remove_file(&path).expect("it was there");
        assert!(excluded.apply(&mut cluster).await);
        assert_eq!(watches(&cluster), ([true, true], true));
        fs::create_dir(&path).expect("a folder in its place");
        assert!(!excluded.apply(&mut cluster).await && excluded.failing);
        assert_eq!(parse("x\ngroup\ntopic  y ").wrong, [1, 2]);
    }
    #[tokio::test]
    async fn a_disk_that_hangs_is_asked_once_and_not_waited_for() {
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
            assert!(!excluded.apply(&mut cluster).await && excluded.reading.is_some());
        }
        answer.send(()).expect("somebody waits");
        while !excluded.apply(&mut cluster).await {}
        assert!(!cluster.lag.watches("g") && excluded.reading.is_none());
    }
}
