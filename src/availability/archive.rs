//! What is kept of one cluster, in memory and in the history file.

use std::sync::Arc;

use super::{
    interval::{Interval, Resolution},
    timeline::Timeline,
};
use crate::monitor::HistoryFile;

/// Everything that is kept of one cluster: the newest of it in memory, the rest in the history file.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The name of the cluster in the configuration.
    pub cluster: Arc<str>,
    /// What is in memory.
    pub timeline: Arc<Timeline>,
    /// The history file.
    pub file: HistoryFile,
}

impl Archive {
    /// The number of intervals that are kept, the newest ones.
    pub fn kept(&self, resolution: Resolution) -> usize {
        match self.file {
            HistoryFile::Open(_) => resolution.in_file(),
            HistoryFile::NotConfigured | HistoryFile::NotOpened => resolution.in_memory(),
        }
    }

    /// Whether intervals that begin at `from` or later, in seconds since 1970, may be in the history file alone.
    pub fn needs_file(&self, resolution: Resolution, from: i64) -> bool {
        let is_older = self.timeline.oldest(resolution).is_none_or(|oldest| from < oldest);
        // As long as the memory has room, it has everything that the file has.
        let is_full = self.timeline.len(resolution) >= resolution.in_memory();
        let may_lack =
            (is_full && resolution.in_file() > resolution.in_memory()) || self.timeline.len(resolution) == 0;
        is_older && may_lack && matches!(self.file, HistoryFile::Open(_))
    }

    /// The intervals that begin at `from` or later and before `to`, the oldest first. Both are in seconds since 1970. An interval
    /// in which nothing was measured, or that cannot be decoded, is absent. May wait for the disk.
    ///
    /// # Errors
    /// The history file cannot be read: the reason, in words.
    pub fn between(
        &self,
        resolution: Resolution,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, Interval)>, String> {
        let mut intervals = Vec::new();
        if let HistoryFile::Open(store) = &self.file
            && self.needs_file(resolution, from)
        {
            let end = self.timeline.oldest(resolution).map_or(to, |oldest| oldest.min(to));
            let rows = store.intervals_between(&self.cluster, resolution.as_str(), from, end);
            let rows = rows.map_err(|error| format!("the history file cannot be read: {error}"))?;
            intervals
                .extend(rows.iter().filter_map(|row| Some((row.begin, Interval::from_bytes(&row.bytes)?))));
        }
        intervals.extend(self.timeline.between(resolution, from, to));
        Ok(intervals)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::{Kept, Store};

    #[test]
    fn minutes_that_the_memory_has_no_room_for_are_read_from_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(Store::open(&folder.path().join("history.db")).expect("a new file"));
        let mut timeline = Timeline::default();
        let minute = Interval { measured: Duration::from_secs(60), ..Interval::default() };
        let begins: Vec<i64> = (0..2000).map(|minute| 60 * minute).collect();
        for begin in &begins {
            timeline.add(*begin, &minute);
            let row = timeline.row(Resolution::Minute, *begin).expect("added");
            let kept = Kept { intervals: vec![row], incidents: Vec::new() };
            store.write_availability("k", &kept, &[], 9, 0).expect("written");
        }
        let mut archive =
            Archive { cluster: "k".into(), timeline: Arc::new(timeline), file: HistoryFile::Open(store) };
        let found = |archive: &Archive, from, to| {
            let found = archive.between(Resolution::Minute, from, to).expect("read");
            found.into_iter().map(|(begin, _)| begin).collect::<Vec<_>>()
        };
        assert_eq!(found(&archive, 0, i64::MAX), begins);
        assert_eq!(found(&archive, 60, 180), [60, 120]);
        assert_eq!(found(&archive, 1999 * 60, i64::MAX), [1999 * 60]);
        archive.file = HistoryFile::NotConfigured;
        assert_eq!(found(&archive, 0, i64::MAX), begins[560..]);
        assert_eq!(archive.kept(Resolution::Minute), 1440);
    }
}
