//! The tables of the history file: their schema, and the encoding of their rows.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, Transaction, params};

use crate::{
    clock::{from_unix_ms, ms, unix_ms},
    collect::{
        history::History,
        topics::HistoryRow,
        topology::{KeptTopic, TopicRow},
    },
    evaluate::{
        events::{self, Event},
        judge::{Baseline, BaselineRow, Kept, Life, LifeRow, Moment, Progress, Status},
    },
    kafka::TopicId,
};

/// The version of the schema that this program writes. In version 1, samples did not hold the epoch of their times; version
/// 2 had no judgements, and version 3 had no samples of the durability audit, no intervals and no incidents.
pub(crate) const VERSION: i64 = 4;

/// Migrates samples from version 1 of the schema: inserts an epoch of 0.
pub(crate) const FROM_FIRST: &str = "UPDATE history
    SET samples = unhex(substr(hex(samples), 1, 16) || '0000000000000000' || substr(hex(samples), 17))";

/// Creates the tables that do not exist yet.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS epoch (cluster TEXT PRIMARY KEY, began_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS history (
        cluster TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
        topic_id BLOB, samples BLOB NOT NULL,
        PRIMARY KEY (cluster, topic, partition)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS life (
        cluster TEXT NOT NULL, consumer_group TEXT NOT NULL, topic TEXT NOT NULL,
        status TEXT NOT NULL, since INTEGER NOT NULL, since_ms INTEGER NOT NULL, advanced_ms INTEGER,
        still INTEGER NOT NULL, counted INTEGER NOT NULL, commits BLOB NOT NULL,
        verdicts BLOB NOT NULL, judged_ms INTEGER,
        PRIMARY KEY (cluster, consumer_group, topic)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS topic (
        cluster TEXT NOT NULL, topic TEXT NOT NULL, topic_id BLOB,
        partitions INTEGER NOT NULL, replicas INTEGER NOT NULL,
        PRIMARY KEY (cluster, topic)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS baseline (
        cluster TEXT NOT NULL, topic TEXT NOT NULL, rates BLOB NOT NULL,
        PRIMARY KEY (cluster, topic)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS event (
        cluster TEXT NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, words TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS event_by_time ON event (cluster, at_ms);
    CREATE TABLE IF NOT EXISTS sample (
        cluster TEXT NOT NULL, topic TEXT NOT NULL, topic_id BLOB, partition INTEGER NOT NULL, log_offset INTEGER NOT NULL,
        run INTEGER NOT NULL, sequence INTEGER NOT NULL, checksum INTEGER NOT NULL,
        acknowledged_ms INTEGER NOT NULL, leader INTEGER, leader_epoch INTEGER, checked_ms INTEGER NOT NULL,
        PRIMARY KEY (cluster, partition, run, sequence)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS availability (
        cluster TEXT NOT NULL, resolution TEXT NOT NULL, begin INTEGER NOT NULL, counts BLOB NOT NULL,
        PRIMARY KEY (cluster, resolution, begin)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS incident (
        cluster TEXT NOT NULL, begin_ms INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (cluster, begin_ms)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS written (cluster TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
";

/// The tables of the collection task, which writes all of their rows again into a new file. Each table has a column `cluster`.
pub(crate) const OF_COLLECTION: [&str; 7] =
    ["history", "life", "topic", "baseline", "event", "written", "epoch"];

/// The tables that other tasks write. Each of them has a column `cluster`, too.
pub(crate) const OF_OTHERS: [&str; 3] = ["availability", "incident", "sample"];

/// Deletes all events of a cluster but the newest; the second parameter is the number of events that stay.
const FORGET_EVENTS: &str = "DELETE FROM event WHERE cluster = ?1 AND rowid NOT IN
    (SELECT rowid FROM event WHERE cluster = ?1 ORDER BY at_ms DESC, rowid DESC LIMIT ?2)";

/// The changes of one cluster, written in one transaction. A row without a value deletes the row from the table.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) histories: Vec<HistoryRow>,
    pub(crate) lives: Vec<LifeRow>,
    pub(crate) baselines: Vec<BaselineRow>,
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) topics: Vec<TopicRow>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { histories, lives, baselines, events, topics } = self;
        let none = lives.is_empty() && baselines.is_empty() && events.is_empty();
        none && histories.is_empty() && topics.is_empty()
    }

    /// Writes everything of the cluster within the transaction.
    ///
    /// # Errors
    ///
    /// The first error of SQLite; the transaction is then to be dropped.
    pub(crate) fn put(&self, cluster: &str, file: &Transaction<'_>) -> rusqlite::Result<()> {
        self.put_histories(cluster, file)?;
        self.put_lives(cluster, file)?;
        self.put_baselines(cluster, file)?;
        self.put_topics(cluster, file)?;
        self.put_events(cluster, file)
    }

    /// Writes the histories of partitions and deletes those of forgotten partitions.
    fn put_histories(&self, cluster: &str, file: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut put = file.prepare("REPLACE INTO history VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut drop =
            file.prepare("DELETE FROM history WHERE cluster = ?1 AND topic = ?2 AND partition = ?3")?;
        for HistoryRow { topic, partition, id, history } in &self.histories {
            match history {
                Some(history) => {
                    let id = id.map(|id| id.0.to_be_bytes());
                    let id = id.as_ref().map(|id| &id[..]);
                    put.execute(params![cluster, &**topic, partition, id, history.to_bytes()])?;
                }
                None => _ = drop.execute(params![cluster, &**topic, partition])?,
            }
        }
        Ok(())
    }

    /// Writes what is known of each group on each topic, and deletes what is forgotten.
    fn put_lives(&self, cluster: &str, file: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut put =
            file.prepare("REPLACE INTO life VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
        let mut drop =
            file.prepare("DELETE FROM life WHERE cluster = ?1 AND consumer_group = ?2 AND topic = ?3")?;
        for LifeRow { group, topic, kept } in &self.lives {
            match kept {
                Some(Kept { life, verdicts, judged }) => put.execute(params![
                    cluster,
                    &**group,
                    &**topic,
                    life.status.as_str(),
                    ms(life.since.own),
                    unix_ms(life.since.wall),
                    life.advanced.map(unix_ms),
                    life.still,
                    ms(life.counted),
                    committed_bytes(&life.committed),
                    verdict_bytes(verdicts),
                    judged.map(unix_ms)
                ])?,
                None => drop.execute(params![cluster, &**group, &**topic])?,
            };
        }
        Ok(())
    }

    /// Writes the usual traffic of topics and deletes that of forgotten topics.
    fn put_baselines(&self, cluster: &str, file: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut put = file.prepare("REPLACE INTO baseline VALUES (?1, ?2, ?3)")?;
        let mut drop = file.prepare("DELETE FROM baseline WHERE cluster = ?1 AND topic = ?2")?;
        for BaselineRow { topic, baseline } in &self.baselines {
            match baseline {
                Some(baseline) => put.execute(params![cluster, &**topic, baseline.to_bytes()])?,
                None => drop.execute(params![cluster, &**topic])?,
            };
        }
        Ok(())
    }

    /// Writes the topics that exist and deletes those that do not exist any more.
    fn put_topics(&self, cluster: &str, file: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut put = file.prepare("REPLACE INTO topic VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut drop = file.prepare("DELETE FROM topic WHERE cluster = ?1 AND topic = ?2")?;
        for TopicRow { topic, kept } in &self.topics {
            match kept {
                Some(KeptTopic { id, partitions, replicas }) => {
                    let id = id.map(|id| id.0.to_be_bytes());
                    let (id, replicas) =
                        (id.as_ref().map(|id| &id[..]), i64::try_from(*replicas).unwrap_or(0));
                    put.execute(params![cluster, &**topic, id, partitions, replicas])?
                }
                None => drop.execute(params![cluster, &**topic])?,
            };
        }
        Ok(())
    }

    /// Appends the events and deletes all but the newest of the cluster.
    fn put_events(&self, cluster: &str, file: &Transaction<'_>) -> rusqlite::Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        let mut put = file.prepare("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for event in &self.events {
            put.execute(params![cluster, unix_ms(event.at), event.kind, event.subject, event.words])?;
        }
        file.prepare(FORGET_EVENTS)?.execute(params![cluster, events::MOST as i64])?;
        Ok(())
    }
}

/// The histories of a cluster. A row that cannot be decoded is left out, or has no history.
pub(crate) fn histories(file: &Connection, cluster: &str) -> rusqlite::Result<Vec<HistoryRow>> {
    let mut rows =
        file.prepare("SELECT topic, partition, topic_id, samples FROM history WHERE cluster = ?1")?;
    let rows = rows.query_map([cluster], |row| {
        let (topic, samples): (String, Vec<u8>) = (row.get(0)?, row.get(3)?);
        let (id, history) = (id(row.get(2)?), History::from_bytes(&samples));
        Ok(HistoryRow { topic: topic.into(), partition: row.get(1)?, id, history })
    })?;
    Ok(rows.filter_map(Result::ok).collect())
}

/// The topics of a cluster at the last write. A row that cannot be decoded is left out.
pub(crate) fn topics(file: &Connection, cluster: &str) -> rusqlite::Result<Vec<TopicRow>> {
    let mut rows =
        file.prepare("SELECT topic, topic_id, partitions, replicas FROM topic WHERE cluster = ?1")?;
    let rows = rows.query_map([cluster], |row| {
        let topic: String = row.get(0)?;
        let replicas = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
        let kept = KeptTopic { id: id(row.get(1)?), partitions: row.get(2)?, replicas };
        Ok(TopicRow { topic: topic.into(), kept: Some(kept) })
    })?;
    Ok(rows.filter_map(Result::ok).collect())
}

/// The rows that can be decoded. A row with a value of another type is left out.
///
/// # Errors
/// The file cannot be read. Rows that are missing for this reason are not to be taken for deleted.
pub(crate) fn decoded<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> rusqlite::Result<Vec<T>> {
    let is_unreadable = |row: &rusqlite::Result<T>| matches!(row, Err(rusqlite::Error::SqliteFailure(..)));
    rows.filter(|row| row.is_ok() || is_unreadable(row)).collect()
}

/// A topic id from its 16 bytes, big-endian. Absent for any other length.
pub(super) fn id(bytes: Option<Vec<u8>>) -> Option<TopicId> {
    Some(TopicId(u128::from_be_bytes(bytes?.try_into().ok()?)))
}

/// The judgements of the groups of a cluster. A row that cannot be decoded is left out. A time beyond `age` comes from a
/// clock that was set back later: it is replaced by `age`, which is now.
pub(crate) fn lives(file: &Connection, cluster: &str, age: Duration) -> rusqlite::Result<Vec<LifeRow>> {
    let mut rows = file.prepare(
        "SELECT consumer_group, topic, status, since, since_ms, advanced_ms, still, counted, commits,
            verdicts, judged_ms FROM life WHERE cluster = ?1",
    )?;
    let rows = rows.query_map([cluster], |row| {
        let (group, topic, status): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let own = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(age);
        let (commits, verdicts): (Vec<u8>, Vec<u8>) = (row.get(8)?, row.get(9)?);
        let kept = Status::parse(&status).zip(committed(&commits)).map(|(status, committed)| {
            let life = Life {
                status,
                since: Moment { own: own(row.get(3)?), wall: moment(row.get(4)?) },
                advanced: row.get::<_, Option<i64>>(5)?.map(moment),
                still: row.get(6)?,
                counted: own(row.get(7)?),
                committed,
            };
            let judged = row.get::<_, Option<i64>>(10)?.map(moment);
            Ok::<_, rusqlite::Error>(Kept { life, verdicts: self::verdicts(&verdicts), judged })
        });
        Ok(LifeRow { group: group.into(), topic: topic.into(), kept: kept.transpose()? })
    })?;
    Ok(rows.filter_map(Result::ok).filter(|row| row.kept.is_some()).collect())
}

/// The usual traffic of each topic. A row that cannot be decoded is left out.
pub(crate) fn baselines(file: &Connection, cluster: &str) -> rusqlite::Result<Vec<BaselineRow>> {
    let mut rows = file.prepare("SELECT topic, rates FROM baseline WHERE cluster = ?1")?;
    let rows = rows.query_map([cluster], |row| {
        let (topic, rates): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        Ok(BaselineRow { topic: topic.into(), baseline: Baseline::from_bytes(&rates) })
    })?;
    Ok(rows.filter_map(Result::ok).filter(|row| row.baseline.is_some()).collect())
}

/// The events of a cluster, the oldest first. A row that cannot be decoded is left out.
pub(crate) fn events(file: &Connection, cluster: &str) -> rusqlite::Result<Vec<Event>> {
    let mut rows = file
        .prepare("SELECT at_ms, kind, subject, words FROM event WHERE cluster = ?1 ORDER BY at_ms, rowid")?;
    let rows = rows.query_map([cluster], |row| {
        let kind: String = row.get(1)?;
        Ok(Event {
            at: moment(row.get(0)?),
            kind: Cow::Owned(kind),
            subject: row.get(2)?,
            words: row.get(3)?,
        })
    })?;
    Ok(rows.filter_map(Result::ok).collect())
}

/// The time of these milliseconds since 1970; 1970 for a negative or unrepresentable number.
pub(super) fn moment(ms: i64) -> SystemTime {
    from_unix_ms(ms).unwrap_or(UNIX_EPOCH)
}

/// Encodes committed offsets by partition: 4 bytes of partition and 8 bytes of offset each, big-endian.
fn committed_bytes(committed: &BTreeMap<i32, i64>) -> Vec<u8> {
    let one = |(number, offset): (&i32, &i64)| number.to_be_bytes().into_iter().chain(offset.to_be_bytes());
    committed.iter().flat_map(one).collect()
}

/// Decodes committed offsets by partition. Absent if the length is not a multiple of 12 bytes.
fn committed(bytes: &[u8]) -> Option<BTreeMap<i32, i64>> {
    let (rows, rest) = bytes.as_chunks::<12>();
    let one = |row: &[u8; 12]| {
        let (number, offset) = row.split_first_chunk::<4>()?;
        Some((i32::from_be_bytes(*number), i64::from_be_bytes(offset.try_into().ok()?)))
    };
    rest.is_empty().then(|| rows.iter().map(one).collect())?
}

/// Encodes verdicts by partition: 4 bytes of partition, big-endian, and 1 byte of verdict each.
fn verdict_bytes(verdicts: &BTreeMap<i32, Progress>) -> Vec<u8> {
    let one =
        |(number, verdict): (&i32, &Progress)| number.to_be_bytes().into_iter().chain([verdict.to_byte()]);
    verdicts.iter().flat_map(one).collect()
}

/// Decodes verdicts by partition. A verdict that is unknown is left out.
fn verdicts(bytes: &[u8]) -> BTreeMap<i32, Progress> {
    let (rows, _) = bytes.as_chunks::<5>();
    let one = |[a, b, c, d, verdict]: &[u8; 5]| {
        Some((i32::from_be_bytes([*a, *b, *c, *d]), Progress::from_byte(*verdict)?))
    };
    rows.iter().filter_map(one).collect()
}
