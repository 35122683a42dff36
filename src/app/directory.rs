//! Watches the directory of `[clusters] directory`, and asks for a reload when its files have changed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::{sync::oneshot, task::spawn_blocking, time::sleep};

use crate::http::Reloads;

/// The time from one look at the directory to the next.
const LOOK: Duration = Duration::from_secs(5);

/// What tells that a directory has changed: each file with its size and the time of its last change. `None` if the directory cannot be
/// read.
type Seen = Option<Vec<(PathBuf, u64, Option<SystemTime>)>>;

/// Watches the directory for ever. A change is reloaded when the directory has stayed the same from one look to the next, because a tool
/// may still be writing.
pub(super) async fn watch(directory: PathBuf, reloads: Reloads) {
    let mut used = look(&directory).await;
    let mut before = used.clone();
    loop {
        sleep(LOOK).await;
        let seen = look(&directory).await;
        if seen == before && seen != used && seen.is_some() {
            tracing::info!(directory = %directory.display(), "the directory of clusters has changed");
            let (answer, answered) = oneshot::channel();
            if reloads.send(answer).await.is_err() {
                return;
            }
            // The result is in the log.
            _ = answered.await;
            used.clone_from(&seen);
        }
        before = seen;
    }
}

async fn look(directory: &Path) -> Seen {
    let directory = directory.to_owned();
    spawn_blocking(move || files(&directory)).await.ok().flatten()
}

fn files(directory: &Path) -> Seen {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).ok()? {
        let path = entry.ok()?.path();
        if path.extension().is_some_and(|extension| extension == "ini") {
            // Of a link, what it leads to: that is what Kubernetes replaces.
            let facts = fs::metadata(&path).ok();
            let size = facts.as_ref().map_or(0, fs::Metadata::len);
            files.push((path, size, facts.and_then(|facts| facts.modified().ok())));
        }
    }
    files.sort();
    Some(files)
}
