//! The report as a file. Each report is a new file that replaces the old one, so that a reader always finds a whole report.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use crate::{
    board::Board,
    boards::Boards,
    config,
    export::report::report,
    kafka::{Error, Fault},
    sync::lock,
    task::{Cycle, Schedule},
};

/// The time before the first report at most. By then a collection cycle has read the groups.
const FIRST: Duration = Duration::from_secs(15);

/// The task that writes the report.
pub(super) struct ReportTask {
    path: PathBuf,
    boards: Boards,
    /// Held while a report is written: a cycle that timed out may still be writing.
    turn: Arc<Mutex<()>>,
}

impl ReportTask {
    pub(super) fn new(settings: &config::Report, boards: Boards) -> Self {
        Self { path: settings.path.clone(), boards, turn: Arc::default() }
    }

    pub(super) fn schedule(settings: &config::Report) -> Schedule {
        let interval = settings.interval;
        Schedule { delay: interval.min(FIRST), ..Schedule::every("report", interval, interval) }
    }

    async fn write(&self) -> Result<(), Error> {
        let readings: Vec<_> = self.boards.list().iter().map(Board::read).collect();
        let Some(report) = report(&readings, SystemTime::now()) else {
            return Err(Error::new(Fault::NotReady, "no collection cycle of any cluster succeeded lately"));
        };
        let (path, turn) = (self.path.clone(), self.turn.clone());
        let writing = move || {
            let _turn = lock(&turn);
            let done = replace(&path, &format!("{report:#}\n"));
            done.map_err(|error| format!("{} cannot be written: {error}", path.display()))
        };
        let done = tokio::task::spawn_blocking(writing).await.map_err(|error| error.to_string());
        done.and_then(|done| done).map_err(|words| Error::new(Fault::Other, words))
    }
}

/// Writes a file next to the report, and then moves it to the place of the report.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| _ = fs::remove_file(&beside))
}

impl Cycle for ReportTask {
    type Snapshot = ();

    async fn cycle(&mut self) -> Result<(), Error> {
        self.write().await
    }

    async fn end(&mut self) {
        if let Err(error) = self.write().await {
            tracing::warn!("the last report was not written: {error}");
        }
    }
}
