//! A month from a history file.

use std::{fs, path::Path};

use crate::{
    availability::{Incident, Interval, Resolution},
    config::Config,
    report::{ClusterMonth, Heartbeats, Month, Promises, Source},
    store::{Archived, Unreadable, read_archive},
    text,
};

/// A history file, and the configuration that has the objectives.
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) config: &'a Config,
}

/// Reads the month of each cluster of the file.
///
/// # Errors
/// The file cannot be read, or what it holds cannot be true.
pub(super) fn read(file: &File<'_>, month: Month, now: i64) -> Result<Vec<ClusterMonth>, Unreadable> {
    let archived = read_archive(file.path, Resolution::Day.as_str(), month.begin(), month.end())?;
    let months = archived.iter().map(|archived| {
        let read = file.month(archived, month, now);
        let checked = read.check(month).map_err(|words| {
            let (path, cluster) = (file.path.display(), text::plain(&archived.cluster));
            Unreadable::Failed(format!(
                "{path}: what the file holds of cluster {cluster} cannot be true: {words}"
            ))
        });
        checked.map(|()| read)
    });
    months.collect()
}

impl File<'_> {
    fn month(&self, archived: &Archived, month: Month, now: i64) -> ClusterMonth {
        let named = |cluster: &&crate::config::Cluster| cluster.name == archived.cluster;
        // The settings of another instance are not known.
        let own = self.config.clusters.iter().find(named).filter(|_| self.is_own());
        let source = Source {
            cluster: archived.cluster.clone(),
            instance: own.map(|cluster| cluster.heartbeat.instance.clone()),
            place: Some(self.path.display().to_string()),
            promises: Promises::from(&self.config.slo),
            heartbeats: own.map(|cluster| Heartbeats::from(&cluster.heartbeat)),
        };
        let rows = archived.intervals.iter();
        let days = rows.filter_map(|row| Some((row.begin, Interval::from_row(row)?)));
        let incidents: Vec<_> = archived.incidents.iter().filter_map(Incident::from_row).collect();
        ClusterMonth::new(source, month, now, days, &incidents)
    }

    /// Whether this is the history file of the configuration.
    fn is_own(&self) -> bool {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let own = self.config.history.path.as_deref().and_then(real);
        own.is_some() && own == real(self.path)
    }
}
