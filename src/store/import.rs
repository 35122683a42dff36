//! Imports the database of the time lag monitor: histories of log end offsets, statuses of groups, and exclusions.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OpenFlags, params};

use super::{Store, tables::Changes};
use crate::{
    clock::from_unix_seconds,
    collect::{history::History, topics::HistoryRow},
    evaluate::judge::{Kept, Life, LifeRow, Moment, Status},
    text::plain,
};

/// The content of an imported database.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// Number of partitions with a history.
    pub partitions: usize,
    /// Number of statuses, one for each group and topic.
    pub statuses: usize,
    /// Lines for the file of `[lag] exclude.file`.
    pub excluded: Vec<String>,
}

/// Imports the database at `from` as the state of a cluster, into a history file that has no rows of the cluster yet.
///
/// # Errors
/// The reason, in words. The history file has not been changed then.
pub fn import(from: &Path, cluster: &str, into: &Path) -> Result<Imported, String> {
    let read = |error: rusqlite::Error| format!("{}: {error}", from.display());
    let old = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(read)?;
    let begun = "SELECT min(sampled_at) FROM partition_offsets";
    let begun: Option<i64> = old.query_row(begun, [], |row| row.get(0)).map_err(read)?;
    let Some(begun) = begun else { return Err(format!("{}: the database holds no sample", from.display())) };
    let (histories, lives) = (histories(&old, begun).map_err(read)?, lives(&old, begun).map_err(read)?);
    let excluded = excluded(&old).map_err(read)?;
    let imported = Imported { partitions: histories.len(), statuses: lives.len(), excluded };
    let store = Store::open(into)?;
    store.begin(cluster, begun, &Changes { histories, lives, ..Changes::default() })?;
    Ok(imported)
}

impl Store {
    /// Writes the first rows of a cluster, whose epoch is `begun`, in seconds since 1970.
    ///
    /// # Errors
    /// The reason, in words: the file has rows of the cluster already, or it cannot be written.
    fn begin(&self, cluster: &str, begun: i64, changes: &Changes) -> Result<(), String> {
        let written = |error: rusqlite::Error| error.to_string();
        let mut file = self.file();
        let transaction = file.connection().map_err(written)?.transaction().map_err(written)?;
        let fresh = transaction
            .execute(
                "INSERT OR IGNORE INTO epoch VALUES (?1, ?2)",
                params![cluster, begun.saturating_mul(1000)],
            )
            .map_err(written)?;
        if fresh == 0 {
            return Err(format!(
                "the history file already has rows of the cluster {cluster:?}: import into a new file"
            ));
        }
        changes.put(cluster, &transaction).map_err(written)?;
        transaction.commit().map_err(written)
    }
}

/// The time since the epoch `begun`; both parameters are in seconds since 1970. Zero if `at` is before the epoch.
fn own(at: i64, begun: i64) -> Duration {
    Duration::from_secs(u64::try_from(at.saturating_sub(begun)).unwrap_or(0))
}

fn histories(old: &Connection, begun: i64) -> rusqlite::Result<Vec<HistoryRow>> {
    let mut rows = old.prepare(
        "SELECT topic, partition, sampled_at, offset FROM partition_offsets ORDER BY topic, partition, sampled_at",
    )?;
    let rows = rows.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i32>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
    })?;
    let mut found = BTreeMap::<(String, i32), History>::new();
    for row in rows {
        let (topic, partition, at, offset) = row?;
        found.entry((topic, partition)).or_default().add(own(at, begun), offset);
    }
    let row = |((topic, partition), history): ((String, i32), History)| HistoryRow {
        topic: topic.into(),
        partition,
        id: None,
        history: Some(history),
    };
    Ok(found.into_iter().map(row).collect())
}

fn lives(old: &Connection, begun: i64) -> rusqlite::Result<Vec<LifeRow>> {
    let mut commits = BTreeMap::<(String, String), BTreeMap<i32, i64>>::new();
    // The last committed offset of each partition replaces earlier ones.
    let mut rows = old.prepare(
        "SELECT group_id, topic, partition, committed_offset FROM consumer_commits ORDER BY recorded_at",
    )?;
    let rows = rows.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?, row.get(3)?)))?;
    for row in rows {
        let (group_topic, partition, offset) = row?;
        commits.entry(group_topic).or_default().insert(partition, offset);
    }
    let mut rows = old.prepare(
        "SELECT group_id, topic, status, status_changed_at, last_advancing_at, consecutive_static FROM group_status",
    )?;
    let rows = rows.query_map([], |row| {
        let group_topic: (String, String) = (row.get(0)?, row.get(1)?);
        let status: String = row.get(2)?;
        let (since, advanced): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
        Ok((group_topic, Status::parse(&status.to_lowercase()), since, advanced, row.get::<_, u32>(5)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (group_topic, status, since, advanced, still) = row?;
        let Some(status) = status else { continue };
        let since = Moment { own: own(since, begun), wall: wall(since) };
        let committed = commits.remove(&group_topic).unwrap_or_default();
        let advanced = advanced.filter(|at| *at > 0).map(wall);
        let life = Life { status, since, advanced, still, counted: since.own, committed };
        let kept = Kept { life, verdicts: BTreeMap::new(), judged: None };
        let (group, topic) = group_topic;
        found.push(LifeRow { group: group.into(), topic: topic.into(), kept: Some(kept) });
    }
    Ok(found)
}

/// The time of these seconds since 1970; 1970 for a negative number.
fn wall(seconds: i64) -> SystemTime {
    from_unix_seconds(seconds).unwrap_or(UNIX_EPOCH)
}

/// Excluded groups and topics, as lines for the file of `[lag] exclude.file`.
fn excluded(old: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    for (what, query) in [
        ("group", "SELECT group_id FROM excluded_groups ORDER BY group_id"),
        ("topic", "SELECT topic FROM excluded_topics ORDER BY topic"),
    ] {
        let mut rows = old.prepare(query)?;
        let rows = rows.query_map([], |row| row.get::<_, String>(0))?;
        for name in rows {
            found.push(format!("{what} {}", plain(&name?)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables that the time lag monitor creates.
    const OLD: &str = "
        CREATE TABLE partition_offsets (topic TEXT, partition INTEGER, offset INTEGER, sampled_at INTEGER,
            PRIMARY KEY (topic, partition, sampled_at));
        CREATE TABLE consumer_commits (group_id TEXT, topic TEXT, partition INTEGER, committed_offset INTEGER,
            recorded_at INTEGER, PRIMARY KEY (group_id, topic, partition, recorded_at));
        CREATE TABLE group_status (group_id TEXT, topic TEXT, status TEXT, status_changed_at INTEGER,
            last_advancing_at INTEGER, consecutive_static INTEGER, PRIMARY KEY (group_id, topic));
        CREATE TABLE excluded_topics (topic TEXT PRIMARY KEY);
        CREATE TABLE excluded_groups (group_id TEXT PRIMARY KEY);
    ";

    #[test]
    fn database_of_the_time_lag_monitor_is_imported_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, into) = (folder.path().join("old.db"), folder.path().join("history.db"));
        assert!(import(&from, "eu", &into).is_err() && !into.exists(), "there is nothing to import");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
        {
            let old = Connection::open(&from).expect("a file");
            old.execute_batch(OLD).expect("tables");
            assert!(
                import(&from, "eu", &into)
                    .is_err_and(|words| words.ends_with("the database holds no sample"))
            );
            for (offset, ago) in [(200, 180), (240, 120), (260, 60)] {
                let put = "INSERT INTO partition_offsets VALUES ('t', 0, ?1, ?2)";
                old.execute(put, [offset, now - ago]).expect("a sample");
            }
            let commits =
                "INSERT INTO consumer_commits VALUES ('g', 't', 0, 200, ?1), ('g', 't', 0, 220, ?2)";
            old.execute(commits, [now - 180, now - 60]).expect("commits");
            let status = "INSERT INTO group_status VALUES ('g', 't', 'RECOVERING', ?1, ?2, 2), ('x', 't', '?', 0, 0, 0)";
            old.execute(status, [now - 100, now - 60]).expect("statuses");
            old.execute_batch(
                "INSERT INTO excluded_groups VALUES ('dead'); INSERT INTO excluded_topics VALUES ('o')",
            )
            .expect("exclusions");
        }
        let imported = import(&from, "eu", &into).expect("imported");
        let excluded = vec!["group dead".to_owned(), "topic o".to_owned()];
        assert_eq!(imported, Imported { partitions: 1, statuses: 1, excluded });
        let again = import(&from, "eu", &into).expect_err("once is enough");
        assert!(again.contains("already"), "{again}");
        let saved = Store::open(&into).expect("a file").load("eu").expect("a cluster");
        let life = &saved.lives[0].kept.as_ref().expect("a life").life;
        assert_eq!(
            (life.status, life.still, &life.committed),
            (Status::Recovering, 2, &BTreeMap::from([(0, 220)]))
        );
        assert_eq!(life.since, Moment { own: Duration::from_secs(80), wall: wall(now - 100) });
        let history = saved.rows[0].history.as_ref().expect("a history");
        let age = history.age(220, saved.age).expect("between two samples").age.as_secs_f64();
        assert!((age - 150.0).abs() < 5.0, "{age}");
    }
}
