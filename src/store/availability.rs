//! What was measured by minute, quarter of an hour and day, and the incidents. It is written once a minute, and when an incident is
//! known better.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{database::Store, file::Unsaved, tables::decoded};

/// Deletes all intervals of a resolution but the newest; the third parameter is the number of intervals that stay.
const FORGET: &str = "DELETE FROM availability WHERE cluster = ?1 AND resolution = ?2 AND begin <=
    (SELECT begin FROM availability WHERE cluster = ?1 AND resolution = ?2 ORDER BY begin DESC LIMIT 1 OFFSET ?3)";

/// Deletes all incidents of a cluster but the newest; the second parameter is the number of incidents that stay.
const FORGET_INCIDENTS: &str = "DELETE FROM incident WHERE cluster = ?1 AND begin_ms <=
    (SELECT begin_ms FROM incident WHERE cluster = ?1 ORDER BY begin_ms DESC LIMIT 1 OFFSET ?2)";

/// What was measured in one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalRow {
    /// The name of the length of the interval.
    pub resolution: String,
    /// The beginning of the interval, in seconds since 1970.
    pub begin: i64,
    /// What was measured, encoded.
    pub bytes: Arc<[u8]>,
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// When it began, in milliseconds since 1970.
    pub begin_ms: i64,
    /// What is known of it, as JSON.
    pub body: String,
}

/// What was measured of one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The intervals, of every resolution.
    pub intervals: Vec<IntervalRow>,
    /// The incidents.
    pub incidents: Vec<IncidentRow>,
}

/// The intervals of a resolution that begin at `from` or later and before `to`, the oldest first. Both are in seconds since 1970.
pub(super) fn intervals_between(
    file: &Connection,
    cluster: &str,
    resolution: &str,
    from: i64,
    to: i64,
) -> rusqlite::Result<Vec<IntervalRow>> {
    let mut rows = file.prepare(
        "SELECT begin, counts FROM availability
         WHERE cluster = ?1 AND resolution = ?2 AND begin >= ?3 AND begin < ?4 ORDER BY begin",
    )?;
    let rows = rows.query_map(params![cluster, resolution, from, to], |row| {
        let bytes: Vec<u8> = row.get(1)?;
        Ok(IntervalRow { resolution: resolution.to_owned(), begin: row.get(0)?, bytes: bytes.into() })
    })?;
    decoded(rows)
}

/// The incidents of a cluster that began before `to`, the oldest first, in milliseconds since 1970.
pub(super) fn incidents_before(
    file: &Connection,
    cluster: &str,
    to: i64,
) -> rusqlite::Result<Vec<IncidentRow>> {
    let mut rows = file.prepare(
        "SELECT begin_ms, body FROM incident WHERE cluster = ?1 AND begin_ms < ?2 ORDER BY begin_ms",
    )?;
    let rows = rows.query_map(params![cluster, to], |row| {
        Ok(IncidentRow { begin_ms: row.get(0)?, body: row.get(1)? })
    })?;
    decoded(rows)
}

/// Writes intervals and incidents of a cluster.
fn put(file: &Connection, cluster: &str, Kept { intervals, incidents }: &Kept) -> rusqlite::Result<()> {
    let mut put = file.prepare("REPLACE INTO availability VALUES (?1, ?2, ?3, ?4)")?;
    for IntervalRow { resolution, begin, bytes } in intervals {
        put.execute(params![cluster, resolution, begin, &bytes[..]])?;
    }
    let mut put = file.prepare("REPLACE INTO incident VALUES (?1, ?2, ?3)")?;
    for IncidentRow { begin_ms, body } in incidents {
        put.execute(params![cluster, begin_ms, body])?;
    }
    Ok(())
}

impl Store {
    /// The newest intervals of a cluster that the file holds, at most so many of each resolution, and its incidents.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn availability(&self, cluster: &str, most: &[(&str, usize)]) -> rusqlite::Result<Kept> {
        let mut file = self.file();
        let file: &Connection = file.connection()?;
        let mut rows = file.prepare(
            "SELECT resolution, begin, counts FROM availability
             WHERE cluster = ?1 AND resolution = ?2 ORDER BY begin DESC LIMIT ?3",
        )?;
        let mut kept = Kept { intervals: Vec::new(), incidents: incidents_before(file, cluster, i64::MAX)? };
        for (resolution, most) in most {
            let rows = rows.query_map(params![cluster, resolution, *most as i64], |row| {
                let bytes: Vec<u8> = row.get(2)?;
                Ok(IntervalRow { resolution: row.get(0)?, begin: row.get(1)?, bytes: bytes.into() })
            })?;
            kept.intervals.extend(decoded(rows)?);
        }
        Ok(kept)
    }

    /// The intervals of a resolution that begin at `from` or later and before `to`, the oldest first. Both are in seconds since
    /// 1970.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn intervals_between(
        &self,
        cluster: &str,
        resolution: &str,
        from: i64,
        to: i64,
    ) -> rusqlite::Result<Vec<IntervalRow>> {
        intervals_between(self.file().connection()?, cluster, resolution, from, to)
    }

    /// Writes intervals and incidents of a cluster in one transaction, and deletes the oldest ones: `most` is the number of
    /// intervals of each resolution that stay, and `most_incidents` that of the incidents.
    ///
    /// # Errors
    /// The file was replaced since the generation, or it cannot be written.
    pub fn write_availability(
        &self,
        cluster: &str,
        kept: &Kept,
        most: &[(&str, usize)],
        most_incidents: usize,
        generation: u64,
    ) -> Result<(), Unsaved> {
        let mut file = self.file();
        file.notice()?;
        if file.generation() != generation {
            return Err(Unsaved::Replaced(file.generation()));
        }
        let change = file.connection()?.transaction()?;
        put(&change, cluster, kept)?;
        for (resolution, most) in most {
            change.prepare(FORGET)?.execute(params![cluster, resolution, *most as i64])?;
        }
        if !kept.incidents.is_empty() {
            change.prepare(FORGET_INCIDENTS)?.execute(params![cluster, most_incidents as i64])?;
        }
        change.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(resolution: &str, begin: i64, bytes: &[u8]) -> IntervalRow {
        IntervalRow { resolution: resolution.to_owned(), begin, bytes: bytes.into() }
    }

    /// All intervals.
    const ALL: [(&str, usize); 2] = [("minute", 999), ("day", 999)];

    fn kept(intervals: &[IntervalRow], incidents: &[(i64, &str)]) -> Kept {
        let incident =
            |(begin_ms, body): &(i64, &str)| IncidentRow { begin_ms: *begin_ms, body: (*body).to_owned() };
        Kept { intervals: intervals.to_vec(), incidents: incidents.iter().map(incident).collect() }
    }

    #[test]
    fn intervals_and_incidents_are_read_again_after_a_restart_and_deleted_when_they_are_too_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Store::open(&path).expect("a new file");
        let rows = kept(
            &[row("minute", 60, b"a"), row("minute", 120, b"b"), row("day", 0, b"c")],
            &[(1, "{}"), (2, "{}")],
        );
        store.write_availability("k", &rows, &[], 9, 0).expect("written");
        store.write_availability("other", &kept(&[row("day", 0, b"d")], &[]), &[], 9, 0).expect("written");
        let newer = kept(&[row("minute", 120, b"e")], &[(2, "[]")]);
        store.write_availability("k", &newer, &[("minute", 1)], 1, 0).expect("written");
        drop(store);
        let store = Store::open(&path).expect("the same file");
        let read = |store: &Store| {
            let mut read = store.availability("k", &ALL).expect("read");
            read.intervals.sort_by_key(|row| row.begin);
            read
        };
        let day = row("day", 0, b"c");
        assert_eq!(read(&store), kept(&[day.clone(), row("minute", 120, b"e")], &[(2, "[]")]));
        assert_eq!(store.intervals_between("k", "day", 0, 1).expect("read"), [day]);
        assert_eq!(store.intervals_between("k", "minute", 121, 999).expect("read"), []);
        std::fs::remove_file(&path).expect("it was there");
        let unsaved = store.write_availability("k", &rows, &[], 9, 0);
        assert!(matches!(unsaved, Err(Unsaved::Replaced(1))), "{unsaved:?}");
        store.write_availability("k", &rows, &[], 9, 1).expect("written");
        assert_eq!(read(&store).intervals.len(), 3);
    }

    #[test]
    fn what_was_measured_of_a_cluster_that_is_no_longer_configured_is_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("history.db")).expect("a new file");
        let rows = kept(&[row("day", 0, b"a")], &[(1, "{}")]);
        for cluster in ["old", "new"] {
            store.load(cluster).expect("read");
            store.write_availability(cluster, &rows, &[], 9, 0).expect("written");
        }
        let long_ago = "UPDATE epoch SET began_ms = 0";
        store.file().connection().expect("open").execute(long_ago, []).expect("a change");
        assert_eq!(store.forget_others(&["new"]).expect("written"), 1);
        let left = ["old", "new"].map(|cluster| store.availability(cluster, &ALL).expect("read"));
        assert_eq!(left, [Kept::default(), rows]);
    }
}
