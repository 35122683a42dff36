//! Sets of files that another program renews while this service runs: certificates, keys and secrets.
//!
//! The contents are compared and not the times: Kubernetes swaps the symbolic link `..data`, and a restored file may be
//! older than the file before. The files of a set are written one after the other, so a set that cannot be used is an
//! error only if it is the same in two checks in a row.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    sync::{Mutex, watch},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::timeout,
};

/// The largest file that is read, in bytes. The CA certificates of a whole system take less than half a megabyte.
const LARGEST: u64 = 4 << 20;

/// The text of a file of the configuration. A pipe is read as well, because a start may get its configuration through one.
///
/// # Errors
/// The file cannot be read, it is no UTF-8, or it is larger than 4 MiB.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST { Err(too_large()) } else { Ok(text) }
}

fn too_large() -> io::Error {
    io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20))
}

/// The largest number of files that are read in a folder.
const MOST_FILES: usize = 1000;

/// A check that takes longer is on a file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The wait of a connection or of an export for a check.
const BRIEF_PATIENCE: Duration = Duration::from_secs(1);

/// The wait for a check that did not end in time before.
const SHORT_PATIENCE: Duration = Duration::from_millis(10);

/// The result of the read that has not ended, or else of `read` on a blocking thread. `None` if it takes longer than
/// `patience`: the next call waits for the same read, so a file system that hangs blocks one thread. May be dropped at any
/// await.
pub(crate) async fn read_once<T: Send + 'static>(
    under_way: &mut Option<JoinHandle<T>>,
    patience: Duration,
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<Result<T, JoinError>> {
    let ended = timeout(patience, under_way.get_or_insert_with(|| spawn_blocking(read))).await.ok()?;
    *under_way = None;
    Some(ended)
}

/// A set of files that is read again when the contents of a file change.
pub(crate) struct FileSet<T> {
    paths: Vec<PathBuf>,
    /// The contents at the last check that had a result. `None` before the first.
    handled: Option<Contents>,
    /// The contents at the last check. `None` before the first.
    seen: Option<Contents>,
    /// A check that has not ended. A file system that hangs blocks its thread and no other.
    checking: Option<JoinHandle<Check<T>>>,
    patience: Duration,
}

/// What one check found.
struct Check<T> {
    before: Contents,
    /// `None` if the contents are those that were handled already.
    read: Option<Result<T, String>>,
    after: Contents,
}

/// The result of one check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked<T> {
    /// The files hold what they held before, or they are being written.
    Same,
    /// The files hold something else.
    Changed(T),
    /// The files hold something that cannot be used, with the reason. It is returned once for the same contents.
    Unusable(String),
    /// The file system does not answer.
    Hung,
}

impl<T: Send + 'static> FileSet<T> {
    /// A set of which nothing was read yet: the first check reads it.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, handled: None, seen: None, checking: None, patience: PATIENCE }
    }

    /// Whether the set has no file.
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Checks the files on a blocking thread, and reads the set with `read` if their contents have changed. May be dropped
    /// at any await.
    pub(crate) async fn check(
        &mut self,
        read: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Checked<T> {
        let patience = if self.checking.is_some() { SHORT_PATIENCE } else { self.patience };
        let (paths, handled) = (self.paths.clone(), self.handled.clone());
        let check = move || check(&paths, handled, read);
        let Some(ended) = read_once(&mut self.checking, patience, check).await else {
            return Checked::Hung;
        };
        let Ok(Check { before, read, after }) = ended else {
            return Checked::Unusable("reading the files panicked".to_owned());
        };
        let is_settled = before == after;
        let is_seen_twice = self.seen.as_ref() == Some(&before);
        self.seen = Some(after);
        match read {
            Some(Ok(read)) if is_settled => {
                self.handled = Some(before);
                Checked::Changed(read)
            }
            Some(Err(reason)) if is_settled && is_seen_twice => {
                self.handled = Some(before);
                Checked::Unusable(reason)
            }
            _ => Checked::Same,
        }
    }
}

/// A value that is read again when its files change.
pub(crate) struct Renewed<T> {
    newest: watch::Sender<T>,
    /// Locked while the files are checked.
    files: Mutex<Files<T>>,
    /// The settings that name the files, for the log.
    settings: String,
}

/// The files of a value.
struct Files<T> {
    set: FileSet<T>,
    /// Whether the files were read since the start.
    is_read: bool,
    /// Whether the file system did not answer at the last check.
    is_hung: bool,
}

impl<T: Clone + Send + 'static> Renewed<T> {
    /// A value that was read from these files. `settings` are the settings that name the files.
    pub(crate) fn new(value: T, paths: Vec<PathBuf>, settings: String) -> Self {
        let set = FileSet { patience: BRIEF_PATIENCE, ..FileSet::new(paths) };
        let files = Mutex::new(Files { set, is_read: false, is_hung: false });
        Self { newest: watch::Sender::new(value), files, settings }
    }

    /// The newest value. If the contents of the files have changed since the last call, the value is read with `read`
    /// first. If the files cannot be used or are being checked, the value stays as it is. May be dropped at any await.
    pub(crate) async fn latest(&self, read: impl FnOnce() -> Result<T, String> + Send + 'static) -> T {
        if let Ok(mut files) = self.files.try_lock()
            && !files.set.is_empty()
        {
            let checked = files.set.check(read).await;
            let settings = &self.settings;
            let was_hung = std::mem::replace(&mut files.is_hung, matches!(checked, Checked::Hung));
            match checked {
                Checked::Same => {}
                Checked::Changed(fresh) => {
                    self.newest.send_replace(fresh);
                    // The first check reads what was read at the start.
                    if std::mem::replace(&mut files.is_read, true) {
                        tracing::info!("the renewed files of {settings} are used");
                    }
                }
                Checked::Unusable(reason) => tracing::warn!(
                    "the renewed files of {settings} cannot be used and those read before stay in use: {reason}"
                ),
                Checked::Hung if was_hung => {}
                Checked::Hung => {
                    tracing::warn!("the files of {settings} cannot be read: the file system does not answer");
                }
            }
        }
        self.newest.borrow().clone()
    }
}

fn check<T>(
    paths: &[PathBuf],
    handled: Option<Contents>,
    read: impl FnOnce() -> Result<T, String>,
) -> Check<T> {
    let before = Contents::of(paths);
    if Some(&before) == handled.as_ref() {
        return Check { after: before.clone(), before, read: None };
    }
    let read = match before.refusal() {
        Some(reason) => Err(reason.to_owned()),
        // What was read is dropped after a panic.
        None => catch_unwind(AssertUnwindSafe(read))
            .unwrap_or_else(|_| Err("reading the files panicked".to_owned())),
    };
    Check { before, read: Some(read), after: Contents::of(paths) }
}

/// The contents of a set of files at one moment, as numbers that differ where the contents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents(Vec<Content>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// A hash of the bytes of a file, or of the names and bytes of the files of a folder.
    Hash(u64),
    /// The file is missing, or must not be read by this process.
    Unreadable(io::ErrorKind),
    /// The file must not be read at all, with the reason.
    Refused(String),
}

impl Contents {
    fn of(paths: &[PathBuf]) -> Self {
        Self(paths.iter().map(|path| Content::of(path)).collect())
    }

    /// Why the set must not be read; `None` if it may be.
    fn refusal(&self) -> Option<&str> {
        self.0.iter().find_map(|content| match content {
            Content::Refused(reason) => Some(reason.as_str()),
            _ => None,
        })
    }
}

impl Content {
    fn of(path: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        match hash(path, &mut hasher) {
            Ok(()) => Self::Hash(hasher.finish()),
            Err(error) if error.kind() == io::ErrorKind::Other => {
                Self::Refused(format!("{}: {error}", path.display()))
            }
            Err(error) => Self::Unreadable(error.kind()),
        }
    }
}

/// Hashes a file, or the files of a folder.
///
/// # Errors
/// [`io::ErrorKind::Other`] for a file that must not be read, and the error of the system for a file that cannot be read.
fn hash(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        return hash_file(path, hasher);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        // The folders of a mounted volume of Kubernetes hold the same files once more.
        if fs::metadata(&file).is_ok_and(|meta| meta.is_file()) {
            files.push(file);
        }
        if files.len() > MOST_FILES {
            return Err(io::Error::other(format!("the folder has more than {MOST_FILES} files")));
        }
    }
    files.sort_unstable();
    for file in files {
        file.hash(hasher);
        hash_file(&file, hasher)?;
    }
    Ok(())
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    // Opening a pipe would wait for a process that writes to the pipe.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    bytes.hash(hasher);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::symlink,
        process::Command,
        sync::mpsc::{Sender, channel},
    };

    use super::*;

    fn text(path: &Path) -> impl FnOnce() -> Result<String, String> + Send + use<> {
        let path = path.to_owned();
        move || match fs::read_to_string(&path) {
            Ok(text) if text.starts_with("half") => Err("half-written".to_owned()),
            Ok(text) => Ok(text),
            Err(error) => Err(error.kind().to_string()),
        }
    }

    fn changed(text: &str) -> Checked<String> {
        Checked::Changed(text.to_owned())
    }

    #[tokio::test]
    async fn swap_of_the_link_of_kubernetes_changes_the_set_and_the_same_contents_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("..1", "one"), ("..2", "two"), ("..3", "two")] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
            fs::write(folder.path().join(name).join("key"), text).expect("a file");
        }
        let swap = |name: &str| {
            let fresh = folder.path().join("..new");
            symlink(name, &fresh).expect("a link");
            fs::rename(&fresh, folder.path().join("..data")).expect("a swapped link");
        };
        swap("..1");
        symlink("..data/key", folder.path().join("key")).expect("a link");
        let path = folder.path().join("key");
        let mut set = FileSet::new(vec![path.clone()]);
        assert_eq!(set.check(text(&path)).await, changed("one"), "the first check reads the set");
        assert_eq!(set.check(text(&path)).await, Checked::Same);
        swap("..2");
        assert_eq!(set.check(text(&path)).await, changed("two"));
        swap("..3");
        assert_eq!(set.check(text(&path)).await, Checked::Same, "the contents count, not the file");
    }

    #[tokio::test]
    async fn half_written_file_is_tolerated_for_one_check_and_reported_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "one").expect("a file");
        let mut set = FileSet::new(vec![path.clone()]);
        assert_eq!(set.check(text(&path)).await, changed("one"));
        fs::write(&path, "half").expect("a file");
        assert_eq!(set.check(text(&path)).await, Checked::Same, "another program may be writing");
        fs::write(&path, "two").expect("a file");
        assert_eq!(set.check(text(&path)).await, changed("two"));
        fs::write(&path, "half").expect("a file");
        let seen = [set.check(text(&path)).await, set.check(text(&path)).await, set.check(text(&path)).await];
        let unusable = Checked::Unusable("half-written".to_owned());
        assert_eq!(seen, [Checked::Same, unusable, Checked::Same]);
        fs::write(&path, "two").expect("a file");
        assert_eq!(set.check(text(&path)).await, changed("two"), "the way back is a change as well");
    }

    #[tokio::test]
    async fn missing_huge_and_special_files_are_unusable_and_hang_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let mut set = FileSet::new(vec![path.clone()]);
        let mut twice = async || {
            assert_eq!(set.check(text(&path)).await, Checked::Same);
            set.check(text(&path)).await
        };
        assert_eq!(twice().await, Checked::Unusable("entity not found".to_owned()));
        File::create(&path).and_then(|file| file.set_len(LARGEST + 1)).expect("a huge file");
        let Checked::Unusable(words) = twice().await else { panic!("a huge file is unusable") };
        assert!(words.ends_with("key: it is larger than 4 MiB"), "{words}");
        fs::remove_file(&path).expect("it is there");
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        let Checked::Unusable(words) = twice().await else { panic!("a pipe is unusable") };
        assert!(words.ends_with("key: it is no regular file"), "{words}");
    }

    #[tokio::test]
    async fn panic_while_the_files_are_read_is_reported_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "one").expect("a file");
        let mut set = FileSet::<String>::new(vec![path]);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(set.check(|| panic!("a mistake of ours")).await);
        }
        let unusable = Checked::Unusable("reading the files panicked".to_owned());
        assert_eq!(seen, [Checked::Same, unusable, Checked::Same, Checked::Same]);
    }

    #[test]
    fn huge_file_of_the_configuration_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.ini");
        File::create(&path).and_then(|file| file.set_len(LARGEST + 1)).expect("a huge file");
        let error = read_text(&path).expect_err("a file that is too large");
        assert_eq!(error.to_string(), "it is larger than 4 MiB");
    }

    #[tokio::test]
    async fn folder_changes_when_a_file_comes_and_when_a_file_is_renamed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut set = FileSet::new(vec![folder.path().to_owned()]);
        fs::create_dir(folder.path().join("..data")).expect("a folder within");
        assert_eq!(set.check(|| Ok(0)).await, Checked::Changed(0));
        fs::write(folder.path().join("a.pem"), "one").expect("a file");
        assert_eq!(set.check(|| Ok(1)).await, Checked::Changed(1));
        fs::rename(folder.path().join("a.pem"), folder.path().join("b.pem")).expect("another name");
        assert_eq!(set.check(|| Ok(2)).await, Checked::Changed(2));
        assert_eq!(set.check(|| Ok(3)).await, Checked::Same);
    }

    #[tokio::test]
    async fn file_system_that_hangs_blocks_one_thread_and_the_set_is_read_when_it_answers() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "one").expect("a file");
        let mut set = FileSet::new(vec![path]);
        set.patience = Duration::from_millis(20);
        let (begun, begins) = channel();
        let (answer, answers) = channel::<()>();
        let hanging = |begun: Sender<()>, answers: std::sync::mpsc::Receiver<()>| {
            move || {
                begun.send(()).expect("the test waits");
                answers.recv().map_err(|error| error.to_string())
            }
        };
        assert_eq!(set.check(hanging(begun.clone(), answers)).await, Checked::Hung);
        begins.recv().expect("the first check has begun");
        let (_, never) = channel();
        assert_eq!(set.check(hanging(begun, never)).await, Checked::Hung, "it waits for the check under way");
        assert!(begins.try_recv().is_err(), "no second thread reads the files");
        answer.send(()).expect("the check waits");
        let mut checked = Checked::Hung;
        while checked == Checked::Hung {
            checked = set.check(|| Err("not called".to_owned())).await;
        }
        assert_eq!(checked, Checked::Changed(()));
    }

    #[tokio::test]
    async fn value_on_a_file_system_that_hangs_stays_in_use_and_delays_only_its_first_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "one").expect("a file");
        let renewed = Renewed::new("one".to_owned(), vec![path], "the test".to_owned());
        let (answer, answers) = channel::<String>();
        let hanging = move || answers.recv().map_err(|error| error.to_string());
        let begun = std::time::Instant::now();
        let (first, second) = tokio::join!(renewed.latest(hanging), renewed.latest(|| Err("no".to_owned())));
        assert_eq!([first, second], ["one", "one"]);
        assert_eq!(renewed.latest(|| Err("not called".to_owned())).await, "one");
        assert!(begun.elapsed() < 2 * BRIEF_PATIENCE, "{:?}", begun.elapsed());
        answer.send("two".to_owned()).expect("the check waits");
        let read = async { while renewed.latest(|| Err("not called".to_owned())).await != "two" {} };
        timeout(PATIENCE, read).await.expect("the value is read when the file system answers");
    }
}
