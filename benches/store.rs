//! What a week of a large cluster takes on the disk, and how long a start with it takes.
//!
//! 15,000 partitions with 300 samples each and 1,500 groups, as the time lag monitor would have kept them, are taken over
//! into a file of ours; then a probe begins with it. The floor is reading the file from end to end.
//!
//! `cargo bench --bench store -- [PARTITIONS]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kafka_heartbeat::{
    config::{self, Sources},
    kafka::wire::{Client, Cluster},
    monitor::{HistoryFile, Probe},
    store::{Store, import::import},
    task::Latest,
};
use measure::{number, seconds};
use rusqlite::{Connection, params};
use tokio::sync::watch;

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;

const SAMPLES: i64 = 300;
const EACH: i64 = 10;
const WEEK: i64 = 7 * 86_400;

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let partitions = number(&arguments, 0, 15_000) as i64;
    let folder = tempfile::tempdir().expect("a folder");
    let (from, into) = (folder.path().join("old.db"), folder.path().join("history.db"));
    old(&from, partitions);
    let taken = seconds(|| drop(import(&from, "default", &into).expect("taken over")));
    let bytes = |path: &Path| fs::metadata(path).map_or(0.0, |file| file.len() as f64 / 1e6);
    println!(
        "{partitions} partitions of {SAMPLES} samples, {} groups: {:.0} MB, of {:.0} MB before; taken over in {taken:.1} s",
        partitions / EACH,
        bytes(&into),
        bytes(&from)
    );
    let sources = Sources { bootstrap: Some("127.0.0.1:1".to_owned()), ..Sources::default() };
    let cluster = Arc::new(config::load(&sources).expect("a configuration").clusters.remove(0));
    let settings = Arc::new(Client::from_properties(&cluster.name, &cluster.kafka).expect("good settings"));
    let known = Arc::new(Cluster::new(settings, Duration::from_secs(1)));
    let metadata = watch::channel(Latest::new(Duration::from_secs(1))).1;
    let begun = Instant::now();
    let store = Arc::new(Store::open(&into).expect("the file"));
    let opened = begun.elapsed();
    let probe = Probe::new(cluster, known, metadata).with(HistoryFile::Open(store));
    let started = begun.elapsed();
    drop(probe);
    let floor = seconds(|| drop(fs::read(&into).expect("the file")));
    println!(
        "a start with it: {:.0} ms, of these {:.0} to open and check it; reading it as it is: {:.0} ms",
        started.as_secs_f64() * 1e3,
        opened.as_secs_f64() * 1e3,
        floor * 1e3
    );
}

/// A database of the time lag monitor: samples over a week, commits and a status of each group.
fn old(path: &Path, partitions: i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    let mut file = Connection::open(path).expect("a file");
    let tables = "
        CREATE TABLE partition_offsets (topic TEXT, partition INTEGER, offset INTEGER, sampled_at INTEGER);
        CREATE TABLE consumer_commits (group_id TEXT, topic TEXT, partition INTEGER, committed_offset INTEGER,
            recorded_at INTEGER);
        CREATE TABLE group_status (group_id TEXT, topic TEXT, status TEXT, status_changed_at INTEGER,
            last_advancing_at INTEGER, consecutive_static INTEGER);
        CREATE TABLE excluded_topics (topic TEXT); CREATE TABLE excluded_groups (group_id TEXT);";
    file.execute_batch(tables).expect("tables");
    let all = file.transaction().expect("a transaction");
    {
        let mut sample = all.prepare("INSERT INTO partition_offsets VALUES (?1, ?2, ?3, ?4)").expect("SQL");
        let mut commit =
            all.prepare("INSERT INTO consumer_commits VALUES (?1, ?2, ?3, ?4, ?5)").expect("SQL");
        let mut status =
            all.prepare("INSERT INTO group_status VALUES (?1, ?2, 'ONLINE', ?3, ?3, 0)").expect("SQL");
        for number in 0..partitions {
            let (topic, partition) = (format!("topic-{}", number / EACH), number % EACH);
            for step in 0..SAMPLES {
                let at = now - WEEK + step * WEEK / SAMPLES;
                sample.execute(params![topic, partition, step * 1000 + number, at]).expect("a sample");
            }
            let group = format!("group-{}", number / EACH);
            commit.execute(params![group, topic, partition, 7 * number, now]).expect("a commit");
            if partition == 0 {
                status.execute(params![group, topic, now - WEEK]).expect("a status");
            }
        }
    }
    all.commit().expect("written");
}
