//! Entry points for the fuzzers in `fuzz/`: one function for each decoder of bytes from outside of the program.
//!
//! A function that returns has passed. It fails by a panic that is not caught, by a wrong result, by taking too long
//! or by taking too much memory. Nothing else uses this module: it exists with the feature `fuzzing` alone.

use std::{
    panic, process,
    sync::{Mutex, Once},
};

use bytes::{Buf, Bytes};
use clap::ValueEnum;

use crate::{
    availability::{Interval, Resolution},
    config,
    kafka::{admin, wire},
    monitor,
    probe::heartbeat::record::{NotAHeartbeat, Record, SMALLEST},
    report::{ClusterMonth, Format, Report},
    store::{self, IntervalRow},
    sync::lock,
    timelag,
};

/// Runs one of the functions below.
///
/// The guard around the decoder of Kafka's protocol catches panics. The hook of the fuzzer would end the process at
/// the first panic, caught or not. The hook that takes its place remembers the message; a panic that
/// is not caught is printed here and ends the process.
pub fn run(work: fn(&[u8]), bytes: &[u8]) {
    static HOOK: Once = Once::new();
    static WORDS: Mutex<String> = Mutex::new(String::new());
    let words = || lock(&WORDS);
    HOOK.call_once(|| panic::set_hook(Box::new(move |panic| *words() = panic.to_string())));
    if panic::catch_unwind(|| work(bytes)).is_err() {
        eprintln!("{}", words());
        process::abort();
    }
}

/// Frames: the lengths in front of a broker's answers.
pub fn frames(bytes: &[u8]) {
    wire::fuzz::frames(bytes);
}

/// Answers of brokers to every request that the service sends.
pub fn answers(bytes: &[u8]) {
    wire::fuzz::answers(bytes);
}

/// The challenges of SASL mechanisms.
pub fn challenges(bytes: &[u8]) {
    wire::fuzz::challenges(bytes);
}

/// Record batches in an answer to Fetch: reads the batches and calls everything that the service calls on them. The first
/// 24 bytes are the requested offset, the log end offset and the time in milliseconds since 1970.
pub fn batches(bytes: &[u8]) {
    let Some((numbers, records)) = bytes.split_first_chunk::<24>() else { return };
    let number = |at: usize| (&numbers[at..]).get_i64();
    let (offset, end, now_ms) = (number(0), number(8), number(16));
    let batches = admin::batch_headers(Bytes::copy_from_slice(records), offset);
    assert!(batches.len() <= records.len() / 61 + 1, "each batch has a header of 61 bytes");
    assert!(batches.iter().all(|batch| batch.first <= batch.last));
    // A clock shows a time from 1970 to the year 3084.
    timelag::batches::fuzz(batches, offset, end, now_ms & ((1 << 45) - 1));
}

/// The value of a record on the heartbeat topic.
pub fn heartbeat(bytes: &[u8]) {
    decode(bytes);
    // A fuzzer cannot guess a checksum: the same bytes are decoded again with the right checksum.
    if bytes.len() >= SMALLEST {
        let (body, _) = bytes.split_at(bytes.len() - 4);
        decode(&[body, &crc32c::crc32c(body).to_be_bytes()].concat());
    }
}

fn decode(bytes: &[u8]) {
    match Record::decode(bytes) {
        Ok(record) => {
            let mut again = Vec::new();
            record.encode(bytes.len(), &mut again);
            assert_eq!(
                Record::decode(&again),
                Ok(record),
                "a heartbeat that was read can be written and read again"
            );
        }
        Err(NotAHeartbeat::Foreign) => assert!(!bytes.starts_with(b"kfhb\x01")),
        Err(NotAHeartbeat::Corrupt) => assert!(bytes.starts_with(b"kfhb\x01")),
    }
}

/// A configuration file.
pub fn configuration(bytes: &[u8]) {
    config::fuzz::file(bytes);
}

/// A file of excluded groups and topics.
pub fn names(bytes: &[u8]) {
    monitor::names(bytes);
}

/// The rows of a history file, in the current schema or an older schema.
pub fn history(bytes: &[u8]) {
    store::fuzz::rows(bytes);
}

/// An interval of what was measured of the heartbeats, as a history file keeps it.
pub fn intervals(bytes: &[u8]) {
    let row = |bytes: &[u8]| IntervalRow { resolution: String::new(), begin: 0, bytes: bytes.into() };
    let Some(interval) = Interval::from_row(&row(bytes)) else { return };
    let again = interval.row(Resolution::Day, 0);
    assert_eq!(
        Interval::from_row(&again),
        Some(interval),
        "an interval that was read can be written and read again"
    );
}

/// The months that another service answers for a report, as JSON: those that can be true become a report in each format.
pub fn months(bytes: &[u8]) {
    let Ok(months) = serde_json::from_slice::<Vec<ClusterMonth>>(bytes) else { return };
    let Some(month) = months.first().map(|first| first.month) else { return };
    if months.iter().any(|answered| answered.check(month).is_err()) {
        return;
    }
    let Ok(report) = Report::new(month, month.end(), months) else { return };
    for format in Format::value_variants() {
        format.write(&report).expect("a report can be written");
    }
}
