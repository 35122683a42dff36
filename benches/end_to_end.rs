//! Is the measured latency the cluster's, or ours? The service against a bare client loop, in turn, on one cluster.
//!
//! `KAFKA_BOOTSTRAP_SERVERS=… cargo bench --bench end_to_end [-- PAIRS]`. Three partitions, ten heartbeats a second
//! each, 20 s a round. The bare loop has the same client and settings, no ledger and no HTTP; its latency counts
//! from the instant a record was due, as the service's does.

use std::{
    env,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use serde_json::Value;

const PARTITIONS: u32 = 3;
const INTERVAL: Duration = Duration::from_millis(100);
const ROUND: Duration = Duration::from_secs(20);
/// The first seconds of a round connect and are not counted.
const WARM: Duration = Duration::from_secs(4);
const LISTEN: &str = "127.0.0.1:18099";

fn main() {
    let bootstrap = env::var("KAFKA_BOOTSTRAP_SERVERS").expect("set KAFKA_BOOTSTRAP_SERVERS to a cluster");
    let pairs = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    create_topics(&bootstrap);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        let (bare, ours) = (bare(&bootstrap), service(&bootstrap));
        eprintln!(
            "pair {pair}: bare p50 {:.2} p99 {:.2} ms; service p50 {:.2} p99 {:.2} ms",
            bare.0, bare.1, ours.0, ours.1
        );
        p50.push((bare.0, ours.0));
        p99.push((bare.1, ours.1));
    }
    eprintln!("ratio of the medians: p50 {:.3}, p99 {:.3}", ratio(p50), ratio(p99));
}

/// Median of the service's over median of the bare loop's.
fn ratio(pairs: Vec<(f64, f64)>) -> f64 {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (bare, ours) = pairs.into_iter().unzip();
    median(ours) / median(bare)
}

fn topic(of: &str) -> String {
    format!("bench-{of}")
}

fn create_topics(bootstrap: &str) {
    for of in ["bare", "service"] {
        let done = heartbeat()
            .args(["topic", "apply", "-b", bootstrap])
            .env("KAFKA_HEARTBEAT__HEARTBEAT__TOPIC", topic(of))
            .status();
        assert!(done.expect("the program runs").success(), "the topics cannot be created");
    }
}

fn heartbeat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-heartbeat"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// p50 and p99 in milliseconds.
fn service(bootstrap: &str) -> (f64, f64) {
    let child = heartbeat()
        .args(["-b", bootstrap, "--listen", LISTEN])
        .env("KAFKA_HEARTBEAT__HEARTBEAT__TOPIC", topic("service"))
        .env("KAFKA_HEARTBEAT__HEARTBEAT__INTERVAL", "100ms")
        .spawn();
    let child = Ended(child.expect("the program runs"));
    pause(ROUND);
    let url = format!("http://{LISTEN}/api/v1/status");
    let body = ureq::get(&url).call().expect("an answer").body_mut().read_to_string().expect("text");
    let status: Value = serde_json::from_str(&body).expect("JSON");
    let cluster = &status["clusters"][0];
    let outcomes = &cluster["heartbeats"]["outcomes"];
    assert_eq!(
        cluster["heartbeats"]["slo_bad_events"], 0,
        "a bad heartbeat spoils the comparison: {outcomes}"
    );
    drop(child);
    let of = |name: &str| cluster["end_to_end"]["1m"][name].as_f64().expect("a number") * 1e3;
    (of("p50_seconds"), of("p99_seconds"))
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().expect("our child");
        self.0.wait().expect("our child");
    }
}

/// p50 and p99 in milliseconds.
fn bare(bootstrap: &str) -> (f64, f64) {
    let topic = topic("bare");
    let begin = Instant::now();
    let consumer: BaseConsumer = client(bootstrap)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&topic, i32::try_from(partition).expect("small"), Offset::End)
            .expect("an offset");
    }
    consumer.assign(&list).expect("assigned");
    let stop = Arc::new(AtomicBool::new(false));
    let until = stop.clone();
    let reader = thread::spawn(move || {
        let mut micros = Histogram::<u64>::new(3).expect("three digits");
        while !until.load(Ordering::Relaxed) {
            let Some(Ok(message)) = consumer.poll(INTERVAL) else { continue };
            let now = begin.elapsed();
            let Some(due) = message.payload().and_then(|bytes| bytes.first_chunk::<8>()) else { continue };
            let due = Duration::from_nanos(u64::from_le_bytes(*due));
            if due > WARM && due < now {
                micros.record((now - due).as_micros() as u64).expect("in range");
            }
        }
        micros
    });
    let producer: ThreadedProducer<DefaultProducerContext> =
        client(bootstrap).set("linger.ms", "0").set("acks", "all").create().expect("a producer");
    pause(Duration::from_secs(2));
    let first = begin.elapsed();
    for tick in 0.. {
        let (round, partition) = (tick / PARTITIONS, tick % PARTITIONS);
        let due = first + INTERVAL * round + INTERVAL * partition / PARTITIONS;
        if due > ROUND {
            break;
        }
        pause(due.saturating_sub(begin.elapsed()));
        let mut payload = [7_u8; 64];
        payload[..8].copy_from_slice(&(due.as_nanos() as u64).to_le_bytes());
        let record = BaseRecord::<(), _>::to(&topic)
            .partition(i32::try_from(partition).expect("small"))
            .payload(&payload[..]);
        producer.send(record).map_err(|(error, _)| error).expect("taken");
    }
    producer.flush(Duration::from_secs(5)).expect("flushed");
    pause(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    let micros = reader.join().expect("the reader ends");
    let ms = |quantile| micros.value_at_quantile(quantile) as f64 / 1e3;
    (ms(0.5), ms(0.99))
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("socket.nagle.disable", "true")
        .set("fetch.min.bytes", "1");
    config
}

#[expect(clippy::disallowed_methods, reason = "the bare loop's own schedule")]
fn pause(time: Duration) {
    thread::sleep(time);
}
