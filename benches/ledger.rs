//! How many events a second the ledger books on one core, what an entry costs, and what a snapshot costs.
//!
//! The stream is that of 100 partitions at 20 ms: sent, acknowledged, received, and of a thousand heartbeats
//! one failed, one received twice and one foreign record. The floor makes and moves the same events and books nothing.
//!
//! `cargo bench --bench ledger -- [ROUNDS] [SECONDS OF STREAM]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    collections::{BTreeMap, VecDeque},
    hint::black_box,
    process,
    time::{Duration, Instant, SystemTime},
};

use kafka_heartbeat::{
    kafka::{BrokerId, Fault},
    latency::Bounds,
    probe::heartbeat::{
        HeartbeatId, Moment, Outcome,
        ledger::{Event, Leader, Ledger, Settings, Stored},
        record::{Identity, NotAHeartbeat, Record},
    },
};
use measure::{median, number, resident_mb, seconds};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;

const PARTITIONS: i32 = 100;
const INTERVAL: Duration = Duration::from_millis(20);
const HORIZON: Duration = Duration::from_secs(120);
/// From the intended instant.
const SENT: Duration = Duration::from_micros(80);
const ACKED: Duration = Duration::from_millis(3);
const RECEIVED: Duration = Duration::from_millis(4);
/// Of so many heartbeats one fails, one comes twice, one has a foreign record beside it.
const RARE: u64 = 1000;
const SNAPSHOTS: usize = 200;

/// The events of the whole stream, one tick of all partitions after the other.
struct Stream {
    identity: Identity,
    begin: Instant,
}

impl Stream {
    /// What happens between two ticks, in the order in which a ledger hears of it.
    fn tick(&self, sequence: u64, queue: &mut VecDeque<Event>) {
        let intended = self.begin + INTERVAL * u32::try_from(sequence).expect("the stream is short");
        for partition in 0..PARTITIONS {
            let id = HeartbeatId { partition, sequence };
            let broker = Some(BrokerId(1 + partition % 3));
            queue.push_back(Event::Sent { id, intended, at: intended + SENT, broker });
        }
        for partition in 0..PARTITIONS {
            let id = HeartbeatId { partition, sequence };
            let at = intended + ACKED;
            queue.push_back(if rare(partition, sequence, 1) {
                Event::Failed { id, at, fault: Fault::Timeout, definite: sequence.is_multiple_of(2) }
            } else {
                Event::Acked { id, at, stored: Some(Stored { offset: 0, checksum: 0 }) }
            });
        }
        for partition in 0..PARTITIONS {
            self.receive(partition, sequence, intended + RECEIVED, queue);
        }
    }

    fn receive(&self, partition: i32, sequence: u64, at: Instant, queue: &mut VecDeque<Event>) {
        let record =
            Record { identity: self.identity, id: HeartbeatId { partition, sequence }, intended: 0, sent: 0 };
        let offset = i64::try_from(sequence * 2).expect("the stream is short");
        if !rare(partition, sequence, 1) {
            queue.push_back(Event::Received { partition, offset, at, record: Ok(record) });
        }
        if rare(partition, sequence, 2) {
            queue.push_back(Event::Received { partition, offset: offset + 1, at, record: Ok(record) });
        }
        if rare(partition, sequence, 3) {
            let foreign = Err(NotAHeartbeat::Foreign);
            queue.push_back(Event::Received { partition, offset: offset + 1, at, record: foreign });
        }
    }
}

fn rare(partition: i32, sequence: u64, which: u64) -> bool {
    (sequence + 7 * u64::from(partition.unsigned_abs())) % RARE == which
}

/// One pass over the stream, and how long it took.
struct Pass {
    events: u64,
    seconds: f64,
}

impl Pass {
    fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

fn floor(stream: &Stream, ticks: u64) -> Pass {
    let (mut queue, mut events, mut sum) = (VecDeque::new(), 0, 0u64);
    let seconds = seconds(|| {
        for tick in 0..ticks {
            stream.tick(tick, &mut queue);
            events += queue.len() as u64;
            while let Some(event) = queue.pop_front() {
                sum = sum.wrapping_add(match black_box(event) {
                    Event::Sent { id, .. } | Event::Acked { id, .. } | Event::Failed { id, .. } => {
                        id.sequence
                    }
                    Event::Received { partition, .. } => u64::from(partition.unsigned_abs()),
                    _ => 0,
                });
            }
        }
    });
    black_box(sum);
    Pass { events, seconds }
}

fn book(stream: &Stream, ticks: u64, ledger: &mut Ledger) -> Pass {
    let (mut queue, mut events) = (VecDeque::new(), 0);
    let seconds = seconds(|| {
        for tick in 0..ticks {
            stream.tick(tick, &mut queue);
            events += queue.len() as u64;
            while let Some(event) = queue.pop_front() {
                ledger.apply(event);
            }
            // As the ledger's thread does after a batch.
            let now = instant(stream, tick);
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + (now - stream.begin);
            ledger.advance(Moment { instant: now, wall });
            ledger.take_ended().for_each(drop);
            black_box((ledger.bad_events(), ledger.oldest_waiting()));
        }
    });
    Pass { events, seconds }
}

fn instant(stream: &Stream, tick: u64) -> Instant {
    stream.begin + INTERVAL * u32::try_from(tick).expect("the stream is short") + RECEIVED
}

fn ledger(stream: &Stream) -> Ledger {
    let settings = Settings {
        identity: stream.identity,
        deadline: Duration::from_secs(10),
        horizon: HORIZON,
        tolerance: Duration::from_millis(500),
        bounds: Bounds::default(),
        traces: None,
    };
    let mut ledger = Ledger::new(settings, Moment { instant: stream.begin, wall: SystemTime::now() });
    let leader = |partition| Leader { broker: Some(BrokerId(1 + partition % 3)), rack: None };
    let leaders: BTreeMap<_, _> = (0..PARTITIONS).map(|partition| (partition, leader(partition))).collect();
    ledger.apply(Event::Partitions { leaders, at: stream.begin });
    ledger
}

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let rounds = number(&arguments, 0, 5);
    let ticks = number(&arguments, 1, 400) * 1000 / INTERVAL.as_millis() as u64;
    let stream = Stream { identity: Identity { instance: 1, epoch: 2 }, begin: Instant::now() };
    let mut rates = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let below = floor(&stream, ticks);
        let before = resident_mb(process::id());
        let mut ledger = ledger(&stream);
        let booked = book(&stream, ticks, &mut ledger);
        let after = resident_mb(process::id());
        println!(
            "round {round}: {:.1} M events: ledger {:.2} M/s, floor {:.1} M/s, ratio {:.3}, {:.0} ns an event above the floor",
            booked.events as f64 / 1e6,
            booked.rate() / 1e6,
            below.rate() / 1e6,
            booked.rate() / below.rate(),
            1e9 / booked.rate() - 1e9 / below.rate(),
        );
        if round == 1 {
            let kept =
                f64::from(PARTITIONS) * (HORIZON.as_secs_f64() / INTERVAL.as_secs_f64()).min(ticks as f64);
            println!(
                "memory: {before:.1} MB before, {after:.1} MB after; {kept:.0} entries within the horizon, {:.0} bytes each",
                (after - before) * 1e6 / kept
            );
            snapshots(&ledger, instant(&stream, ticks));
        }
        rates.0.push(booked.rate());
        rates.1.push(below.rate());
    }
    let (booked, below) = (median(&rates.0), median(&rates.1));
    println!(
        "median: ledger {:.2} M events/s, floor {:.1} M events/s, ratio {:.3}",
        booked / 1e6,
        below / 1e6,
        booked / below
    );
}

fn snapshots(ledger: &Ledger, now: Instant) {
    let taken: Vec<f64> =
        (0..SNAPSHOTS).map(|_| seconds(|| drop(black_box(ledger.snapshot(black_box(now)))))).collect();
    let totals = ledger.snapshot(now).totals;
    println!(
        "snapshot: {:.0} µs median of {SNAPSHOTS}, made and dropped, {PARTITIONS} partitions",
        median(&taken) * 1e6
    );
    let outcomes = Outcome::ALL.map(|outcome| format!("{} {}", outcome.as_str(), totals.of(outcome)));
    println!(
        "booked: scheduled {}, in flight {}, {}",
        totals.scheduled,
        totals.in_flight,
        outcomes.join(", ")
    );
}
