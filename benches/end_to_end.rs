//! How much slower a heartbeat is than a record of a bare client loop on the same real cluster.
//!
//! Both send 64 bytes to three partitions ten times a second, staggered alike, with the same client and
//! settings; both count from the intended instant to the return of the poll. The bare loop keeps no books and
//! serves nothing. Rounds take turns; the service is the program itself, started again for each round, and
//! its latencies are those of every single heartbeat after the first seconds, as the API reports them. A probe follows,
//! which has no first seconds: all of its heartbeats count, and its median shall not exceed 1.25 × that of the bare loop.
//!
//! At the end stand the first heartbeats of fresh clients: those of six short probes with a deadline of 500 ms, and
//! those of services within their first minute, of which none shall take longer than 100 ms on an idle cluster.
//!
//! `cargo bench --bench end_to_end -- [PAIRS] [SECONDS] [STARTS]`, against `KAFKA_BOOTSTRAP_SERVERS` or a cluster of its own.

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use measure::{median, number, pause, peak_mb, processor_seconds, quantile};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use rounds::{Round, WARM_UP};
use support::kafka::{Kafka, Listener};

#[path = "measure/begin.rs"]
mod begin;
#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;
#[path = "measure/rounds.rs"]
mod rounds;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "made for tests")]
mod support;

const PARTITIONS: i32 = 3;
const INTERVAL: Duration = Duration::from_millis(100);
const SIZE: usize = 64;

/// Heartbeats of a probe on each partition: as many as people ask for.
const PROBED: u32 = 5;
/// The first heartbeats of a service are those within this time.
const FIRST: Duration = Duration::from_secs(60);

/// What the service sets too.
const BOTH: [(&str, &str); 4] = [
    ("socket.nagle.disable", "true"),
    ("socket.keepalive.enable", "true"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("enable.metrics.push", "false"),
];
const PRODUCER: [(&str, &str); 4] = [
    ("linger.ms", "0"),
    ("acks", "all"),
    ("max.in.flight.requests.per.connection", "5"),
    ("message.timeout.ms", "10000"),
];
const CONSUMER: [(&str, &str); 5] = [
    ("group.id", "bare"),
    ("enable.auto.commit", "false"),
    ("fetch.min.bytes", "1"),
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "100"),
];

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let (pairs, time) = (number(&arguments, 0, 5), Duration::from_secs(number(&arguments, 1, 20)));
    let starts = number(&arguments, 2, 3);
    let Some(kafka) = Kafka::shared() else { return };
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    for topic in ["bench-bare", "bench-service", "bench-probe"] {
        rounds::create(&config(&bootstrap, topic));
    }
    let (mut bare_rounds, mut service_rounds, mut probed) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 1..=pairs {
        let round = bare(&bootstrap, time);
        round.print(&format!("{pair} bare   "));
        bare_rounds.push(round);
        let round = rounds::service(&config(&bootstrap, "bench-service"), WARM_UP, time, |_| {});
        round.print(&format!("{pair} service"));
        service_rounds.push(round);
        let probe = begin::probe(&config(&bootstrap, "bench-probe"), PROBED, "10s");
        probe.print(&format!("{pair} probe  "));
        probed.extend(probe.p50);
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let each = |rounds: &[Round]| {
            rounds.iter().map(|round| quantile(&round.latencies, share)).collect::<Vec<_>>()
        };
        let (bare, service) = (each(&bare_rounds), each(&service_rounds));
        let all = |rounds: &[Round]| {
            quantile(
                &rounds.iter().flat_map(|round| round.latencies.iter().copied()).collect::<Vec<_>>(),
                share,
            )
        };
        println!(
            "{name}: median of rounds: bare {:.2} ms, service {:.2} ms, ratio {:.2}; all heartbeats together: ratio {:.2}",
            median(&bare),
            median(&service),
            median(&service) / median(&bare),
            all(&service_rounds) / all(&bare_rounds),
        );
    }
    let floor: Vec<_> = bare_rounds.iter().map(|round| quantile(&round.latencies, 0.5)).collect();
    let (floor, probe) = (median(&floor), median(&probed));
    println!(
        "probe: median of {} p50 {probe:.2} ms, bare {floor:.2} ms, ratio {:.2}",
        probed.len(),
        probe / floor
    );
    for run in 1..=6 {
        let probe = begin::probe(&config(&bootstrap, "bench-probe"), PROBED, "500ms");
        probe.print(&format!("{run} probe --count {PROBED} --deadline 500ms"));
    }
    for start in 1..=starts {
        let name = format!("{start} service, the first {} s", FIRST.as_secs());
        begin::print_first(&config(&bootstrap, "bench-service"), FIRST, &name);
    }
}

fn config(bootstrap: &str, topic: &str) -> String {
    format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\ntopic = {topic}\ninterval = 100ms\n"
    )
}

fn bare(bootstrap: &str, time: Duration) -> Round {
    let settings = |own: &[(&str, &str)]| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        BOTH.iter().chain(own).for_each(|(key, value)| _ = config.set(*key, *value));
        config
    };
    let producer: ThreadedProducer<DefaultProducerContext> =
        settings(&PRODUCER).create().expect("a producer");
    let consumer: BaseConsumer = settings(&CONSUMER).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset("bench-bare", partition, Offset::End).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    let (begin, stop) = (Instant::now(), AtomicBool::new(false));
    let run = measure_identity();
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(&consumer, begin, run, &stop));
        let measured = send(&producer, begin, run, time);
        producer.flush(Duration::from_secs(10)).expect("everything is acknowledged");
        pause(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        let latencies = reader.join().expect("the reader ends well");
        Round { latencies, ..measured }
    })
}

/// Tells records of this round from those of an earlier one.
fn measure_identity() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_nanos() as u64
}

/// The grid of the service: slot i of the partitions is i/P of the interval later.
fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    begin: Instant,
    run: u64,
    time: Duration,
) -> Round {
    let mut payload = [b'.'; SIZE];
    payload[..8].copy_from_slice(&run.to_be_bytes());
    let (mut warm, mut slot) = (None, 0);
    while begin.elapsed() < WARM_UP + time {
        let due =
            INTERVAL * (slot / PARTITIONS as u32) + INTERVAL * (slot % PARTITIONS as u32) / PARTITIONS as u32;
        pause(due.saturating_sub(begin.elapsed()));
        payload[8..16].copy_from_slice(&(due.as_nanos() as u64).to_be_bytes());
        let record = BaseRecord::<(), [u8]>::to("bench-bare").partition((slot % PARTITIONS as u32) as i32);
        producer.send(record.payload(&payload)).map_err(|(error, _)| error).expect("the client takes it");
        slot += 1;
        if warm.is_none() && begin.elapsed() >= WARM_UP {
            warm = Some((Instant::now(), processor_seconds(process::id())));
        }
    }
    let (since, used) = warm.expect("a round is longer than its warm-up");
    let processor = 100.0 * (processor_seconds(process::id()) - used) / since.elapsed().as_secs_f64();
    Round { latencies: Vec::new(), processor, resident: peak_mb(process::id()) }
}

/// Milliseconds of each record of this run that was due after the warm-up.
fn read(consumer: &BaseConsumer, begin: Instant, run: u64, stop: &AtomicBool) -> Vec<f64> {
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(polled) = consumer.poll(INTERVAL) else { continue };
        let at = begin.elapsed();
        let message = polled.expect("a record");
        let payload = message.payload().expect("a payload");
        let number =
            |from: usize| u64::from_be_bytes(payload[from..from + 8].try_into().expect("eight bytes"));
        let due = Duration::from_nanos(number(8));
        if number(0) == run && due >= WARM_UP {
            latencies.push((at - due).as_secs_f64() * 1e3);
        }
    }
    latencies
}
