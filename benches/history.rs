//! A simulated year of three clusters with three partitions each: the size of the history file, the time of a minute's write, and of
//! the questions that the page and the API ask. The floor of a write is a transaction of one row of the same size.
//!
//! `cargo bench --bench history -- [DAYS [FILE]]`: with a file, the year is kept there, and ends now.

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kafka_heartbeat::{
    availability::{Archive, Audit, Blamed, Counts, Ending, Incident, Interval, Look, Recorder, Resolution},
    latency::Exponential,
    monitor::HistoryFile,
    probe::heartbeat::Outcome,
    store::{Kept, Store},
};
use measure::{median, number, quantile, resident_mb, seconds};
use rusqlite::{Connection, params};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;

const CLUSTERS: [&str; 3] = ["orders", "payments", "search"];
const PARTITIONS: i32 = 3;
const DAY: i64 = 86_400;
/// From one look at the counters to the next, in seconds. A longer time would count as not measured.
const LOOK: i64 = 5;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A simulated cluster.
struct Simulation {
    random: Random,
    start: Instant,
    begin: i64,
    counts: BTreeMap<i32, Counts>,
    audit: Audit,
    /// Until when heartbeats are bad, and until when the service is off.
    bad_until: i64,
    off_until: i64,
}

impl Simulation {
    fn new(begin: i64) -> Self {
        Self {
            random: Random(7),
            start: Instant::now(),
            begin,
            counts: BTreeMap::new(),
            audit: Audit::default(),
            bad_until: 0,
            off_until: 0,
        }
    }

    /// The counters at this second, and an incident that begins then. `None` while the service is off.
    fn look(&mut self, now: i64) -> (Option<Look>, Option<Incident>) {
        let mut incident = None;
        if now % 60 == 0 {
            if self.random.below(9 * 1440) == 0 {
                self.bad_until = now + 60 + self.random.below(1200).cast_signed();
                incident = Some(outage(now, self.bad_until));
            }
            if self.random.below(30 * 1440) == 0 {
                self.off_until = now + 7200;
            }
        }
        if now < self.off_until {
            return (None, incident);
        }
        for partition in 0..PARTITIONS {
            for _ in 0..LOOK {
                let is_bad = now < self.bad_until && partition == 1 && self.random.below(3) == 0;
                let mut outcomes = [0; Outcome::ALL.len()];
                outcomes[if is_bad { Outcome::Late } else { Outcome::Ok } as usize] = 1;
                // Around 3 ms, seldom more; just above 10 s for a bad one.
                let usual = -136 + (self.random.below(12) + self.random.below(12)) as i32;
                let slow = if self.random.below(100) == 0 { self.random.below(40) as i32 } else { 0 };
                let bucket = if is_bad { 54 } else { usual + slow };
                let end_to_end = Exponential::new(0, bucket, vec![1]);
                let one = Counts { bad: u64::from(is_bad), unacknowledged: 0, outcomes, end_to_end };
                self.counts.entry(partition).or_default().add(&one);
            }
        }
        self.audit.checked += u64::from(now % 60 == 0);
        let look = Look {
            at: self.start + Duration::from_secs((now - self.begin).unsigned_abs()),
            written: Duration::from_secs(now.unsigned_abs()),
            is_measuring: true,
            partitions: self.counts.clone(),
            audit: self.audit,
        };
        (Some(look), incident)
    }
}

fn outage(begin: i64, end: i64) -> Incident {
    let suspect = Blamed {
        kind: "broker".to_owned(),
        subject: "2".to_owned(),
        confidence: "certain".to_owned(),
        headline: "Broker 2 does not answer".to_owned(),
        evidence: vec!["3 sessions with it failed one after the other: no answer within 2 s".to_owned()],
    };
    Incident {
        begin_ms: begin * 1000,
        end_ms: end * 1000,
        ending: Ending::Over,
        was_down: false,
        bad: 0,
        suspects: vec![suspect],
    }
}

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let days = number(&arguments, 0, 365).cast_signed();
    let folder = tempfile::tempdir().expect("a folder");
    let path = arguments.get(1).map_or_else(|| folder.path().join("history.db"), PathBuf::from);
    let store = Arc::new(Store::open(&path).expect("a new file"));
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs().cast_signed();
    let now = now - now % 60;
    let before = resident_mb(std::process::id());
    let mut recorder = Recorder::default();
    let mut simulation = Simulation::new(now - days * DAY);
    let most = Resolution::ALL.map(|resolution| (resolution.as_str(), resolution.in_file()));
    let mut writes = Vec::new();
    let simulated = seconds(|| {
        for second in (now - days * DAY..=now).step_by(LOOK as usize) {
            let (look, incident) = simulation.look(second);
            incident.into_iter().for_each(|incident| recorder.note(incident));
            let is_over = look.is_some_and(|look| recorder.observe(look).is_over);
            // Minute by minute at the end, as the service writes, and before that an hour in one transaction.
            if is_over && (second > now - 8 * 3600 || second % 3600 == 0) {
                let incidents = recorder.unsaved_incidents();
                let rows = Kept { intervals: recorder.unsaved().into_values().collect(), incidents };
                let most = if second % 3600 == 0 { &most[..] } else { &[] };
                for cluster in CLUSTERS {
                    let took = seconds(|| {
                        store.write_availability(cluster, &rows, most, 3000, 0).expect("written");
                    });
                    writes.push(took * 1e3);
                }
            }
        }
    });
    let grown = resident_mb(std::process::id()) - before;
    println!("memory: {grown:.1} MB for one cluster; simulated {days} days in {simulated:.0} s");
    report(&recorder, &simulation, &store, &path, now);
    let minutes = &writes[writes.len().saturating_sub(3 * 8 * 60)..];
    println!(
        "write of a minute: p50 {:.3} ms, p99 {:.3} ms; floor p50 {:.3} ms",
        median(minutes),
        quantile(minutes, 0.99),
        floor(folder.path())
    );
}

/// Checks the sums, and prints the size of the file and the time of questions.
fn report(recorder: &Recorder, simulation: &Simulation, store: &Arc<Store>, path: &Path, now: i64) {
    let timeline = Arc::new(recorder.timeline().clone());
    let archive = Archive { cluster: CLUSTERS[0].into(), timeline, file: HistoryFile::Open(store.clone()) };
    let mut sum = Interval::default();
    let days = archive.between(Resolution::Day, 0, i64::MAX).expect("read");
    days.iter().for_each(|(_, day)| sum.add(day));
    let counted: u64 = simulation.counts.values().map(Counts::judged).sum();
    // The minute of the present is not over.
    assert!(
        counted - sum.total().judged() <= 60 * PARTITIONS as u64,
        "the sum of the days equals the counters"
    );
    println!("{} days, {counted} heartbeats, {} bad", days.len(), sum.total().bad);
    let size: u64 = ["", "-wal"]
        .iter()
        .filter_map(|end| std::fs::metadata(format!("{}{end}", path.display())).ok())
        .map(|file| file.len())
        .sum();
    println!("file: {:.1} MB for {} clusters", size as f64 / 1e6, CLUSTERS.len());
    for (name, resolution, length) in [
        ("8 days by minute (file)", Resolution::Minute, 8 * DAY),
        ("24 hours by minute", Resolution::Minute, DAY - 60),
        ("100 days by quarter of an hour (file)", Resolution::Quarter, 100 * DAY),
        ("90 days by day", Resolution::Day, 90 * DAY),
    ] {
        let times: Vec<f64> = (0..5)
            .map(|_| {
                seconds(|| _ = black_box(archive.between(resolution, now - length, now).expect("read"))) * 1e3
            })
            .collect();
        println!("{name}: {:.1} ms", median(&times));
    }
}

/// How long a transaction of one row takes, in milliseconds.
fn floor(folder: &Path) -> f64 {
    let file = Connection::open(folder.join("floor.db")).expect("a new file");
    file.pragma_update(None, "journal_mode", "wal").expect("set");
    file.pragma_update(None, "synchronous", "normal").expect("set");
    file.execute("CREATE TABLE one (number INTEGER PRIMARY KEY, body BLOB)", []).expect("a table");
    let times: Vec<f64> = (0..500)
        .map(|number| {
            seconds(|| {
                file.execute("REPLACE INTO one VALUES (?1, ?2)", params![number % 3, [0_u8; 300]])
                    .expect("written");
            }) * 1e3
        })
        .collect();
    median(&times)
}
