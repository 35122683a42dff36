//! How many events a second does the ledger book on one core, and what does it hold in memory?
//!
//! `cargo bench --bench ledger`. The floor moves the same events through the same loop without booking them.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant, SystemTime},
};

use kafka_heartbeat::{
    kafka::BrokerId,
    latency::Bounds,
    probe::heartbeat::{
        ledger::{Event, Leader, Ledger, Settings},
        record::{Identity, Record},
    },
};

const PARTITIONS: i32 = 100;
const INTERVAL: Duration = Duration::from_millis(20);
/// A minute of 5,000 heartbeats a second, three events each.
const TICKS: u32 = 3_000;
const ROUNDS: usize = 5;

fn main() {
    let (mut floor, mut booked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        floor.push(rate(|events| drop(black_box(events)), begin));
        let mut ledger = ledger(begin);
        let before = resident();
        let mut ticks = 0_u64;
        booked.push(rate(
            |events| {
                let now = begin + INTERVAL * u32::try_from(ticks).unwrap_or(u32::MAX);
                ticks += 1;
                events.into_iter().for_each(|event| ledger.apply(event));
                ledger.advance(now, SystemTime::UNIX_EPOCH);
            },
            begin,
        ));
        let snapshot = Instant::now();
        let taken = black_box(ledger.snapshot(begin));
        let took = snapshot.elapsed();
        let held = resident().saturating_sub(before) / 1024;
        eprintln!("snapshot of {} partitions {took:?}; {held} MiB more than before", taken.partitions.len());
    }
    let (floor, booked) = (median(floor), median(booked));
    eprintln!("floor {floor:.0} events/s, ledger {booked:.0} events/s: 1/{:.1} of the floor", floor / booked);
}

fn ledger(begin: Instant) -> Ledger {
    let identity = Identity { instance: 1, epoch: 2 };
    let (deadline, horizon) = (Duration::from_secs(10), Duration::from_secs(120));
    let mut ledger = Ledger::new(
        Settings { identity, deadline, horizon, bounds: Bounds::default() },
        begin,
        SystemTime::UNIX_EPOCH,
    );
    let leader = |partition| Leader { broker: Some(BrokerId(partition % 3)), rack: None };
    let leaders: BTreeMap<_, _> = (0..PARTITIONS).map(|partition| (partition, leader(partition))).collect();
    ledger.apply(Event::Partitions(leaders));
    ledger
}

/// Events a second; making the events is not counted.
fn rate(mut book: impl FnMut(Vec<Event>), begin: Instant) -> f64 {
    let (mut events, mut spent) = (0_u64, Duration::ZERO);
    for tick in 0..TICKS {
        let batch: Vec<Event> =
            (0..PARTITIONS).flat_map(|partition| heartbeat(begin, tick, partition)).collect();
        events += batch.len() as u64;
        let started = Instant::now();
        book(batch);
        spent += started.elapsed();
    }
    events as f64 / spent.as_secs_f64()
}

fn heartbeat(begin: Instant, tick: u32, partition: i32) -> [Event; 3] {
    let intended = begin + INTERVAL * tick;
    let sequence = u64::from(tick);
    let after = |micros| intended + Duration::from_micros(micros);
    let identity = Identity { instance: 1, epoch: 2 };
    let record = Record { identity, partition, sequence, intended: 0, sent: 0 };
    let broker = Some(BrokerId(partition % 3));
    [
        Event::Sent { partition, sequence, intended, at: after(60), broker },
        Event::Acked { partition, sequence, at: after(4_000 + u64::from(tick % 997)) },
        Event::Received {
            partition,
            offset: i64::from(tick),
            at: after(4_400 + u64::from(tick % 991)),
            record: Ok(record),
        },
    ]
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
