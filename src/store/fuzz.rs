//! Entry point for fuzzing: a history file with arbitrary rows, in any schema that a version of the program wrote.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rusqlite::{Connection, types::Value};

use super::{
    Changes, Store,
    database::Saved,
    tables::{self, VERSION},
};
use crate::{
    collect::topics::{HistoryRow, by_topic},
    evaluate::judge,
};

/// Takes cells from the bytes of a fuzzer.
struct Cells<'a>(&'a [u8]);

impl Cells<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }

    fn number(&mut self) -> i64 {
        let mut eight = [0; 8];
        let taken = self.bytes(8);
        eight[..taken.len()].copy_from_slice(&taken);
        i64::from_be_bytes(eight)
    }

    fn cell(&mut self) -> Value {
        match self.byte() {
            0 => Value::Null,
            1 => Value::Integer(self.number()),
            2 => Value::Real(f64::from_bits(self.number() as u64)),
            3 => Value::Integer(i64::from(self.byte())),
            4 => Value::Text("online".to_owned()),
            kind => {
                let length = usize::from(self.byte());
                let bytes = self.bytes(length);
                if kind % 2 == 0 {
                    Value::Blob(bytes)
                } else {
                    Value::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
            }
        }
    }
}

/// The tables, each with its number of columns beside the name of the cluster.
const TABLES: [(&str, usize); 7] =
    [("epoch", 1), ("history", 4), ("life", 11), ("topic", 4), ("baseline", 2), ("event", 4), ("written", 1)];

/// Fills a file of an older schema with cells, opens the file, reads and uses its rows, and writes them again.
pub(crate) fn rows(bytes: &[u8]) {
    let mut cells = Cells(bytes);
    let path = fresh();
    let file = Connection::open(path).expect("a file");
    file.execute_batch("PRAGMA synchronous = off; PRAGMA journal_mode = memory").expect("settings");
    file.execute_batch(tables::SCHEMA).expect("our own schema");
    file.pragma_update(None, "user_version", i64::from(cells.byte()) % (VERSION + 1)).expect("a version");
    let began = cells.cell();
    _ = file.execute("INSERT INTO epoch VALUES ('c', ?1)", [began]);
    while !cells.0.is_empty() {
        let (table, columns) = TABLES[usize::from(cells.byte()) % TABLES.len()];
        let row: Vec<_> =
            std::iter::once(Value::Text("c".to_owned())).chain((0..columns).map(|_| cells.cell())).collect();
        let marks = vec!["?"; row.len()].join(", ");
        // A row that the table refuses cannot be in a file.
        _ = file.execute(&format!("REPLACE INTO {table} VALUES ({marks})"), rusqlite::params_from_iter(row));
    }
    drop(file);
    let Ok(store) = Store::open(path) else { return };
    let Ok(saved) = store.load("c") else { return };
    let counts = [saved.lives.len(), saved.baselines.len(), saved.topics.len()];
    let changes = use_all(saved);
    store.write("c", &changes, 0, None).expect("what was read can be written");
    let again = store.load("c").expect("what was written can be read");
    assert_eq!([again.lives.len(), again.baselines.len(), again.topics.len()], counts);
    store.forget_others(&["d"]).expect("what was read can be deleted");
}

/// The path of the file, in memory where that is possible. The file of the input before is removed.
fn fresh() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        folder.join(format!("kafka-heartbeat-fuzz-{}.db", std::process::id()))
    });
    for end in ["", "-wal", "-shm"] {
        _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    path
}

/// Calls everything that the service calls on the rows that were read. Returns the rows.
fn use_all(saved: Saved) -> Changes {
    for mut row in by_topic(saved.rows.iter().map(copy).collect()).into_values().flat_map(|(_, of)| of) {
        let now = saved.age + Duration::from_secs(30);
        for offset in [0, 1, 1 << 20, i64::MAX] {
            _ = row.1.age(offset, now);
            row.1.add(now, offset);
        }
    }
    for baseline in saved.baselines.iter().filter_map(|row| row.baseline.as_ref()) {
        judge::fuzz(baseline.to_bytes());
    }
    Changes {
        histories: saved.rows,
        lives: saved.lives,
        baselines: saved.baselines,
        events: saved.events.into_iter().map(Arc::new).collect(),
        topics: saved.topics,
    }
}

fn copy(row: &HistoryRow) -> HistoryRow {
    HistoryRow {
        topic: row.topic.clone(),
        partition: row.partition,
        id: row.id,
        history: row.history.clone(),
    }
}
