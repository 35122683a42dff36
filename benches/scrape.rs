//! What a scrape costs with 100 partitions on three brokers: series, text, and all of it through HTTP.
//!
//! The floor copies the same bytes.
//!
//! `cargo bench --bench scrape -- [ROUNDS]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kafka_heartbeat::{
    board::Readings,
    config::Compat,
    export::prometheus::{self, Format},
    kafka::BrokerId,
    latency::{Bounds, Buckets},
    metrics::render::{self, Exposed},
    probe::heartbeat::{BrokerCounts, Partition, Snapshot},
};
use measure::{median, number, quantile, seconds};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;
#[path = "../tests/sample/mod.rs"]
mod sample;
#[path = "measure/served.rs"]
mod served;

const PARTITIONS: i32 = 100;
const BROKERS: i32 = 3;

/// The sample's first cluster, grown, with plain names.
fn readings(config: &kafka_heartbeat::config::Config) -> Readings {
    let wall = SystemTime::now();
    let mut readings = sample::sample(config, wall).swap_remove(0);
    let small = (*readings.heartbeat).clone();
    let pattern = small.partitions[&0].clone();
    let partitions = (0..PARTITIONS).map(|number| (number, partition(number, &pattern))).collect();
    readings.heartbeat = Arc::new(Snapshot { partitions, ..small });
    if let Some((snapshot, _)) = &mut readings.connectivity.snapshot {
        let mut grown = (**snapshot).clone();
        let good = grown.brokers[&BrokerId(1)].clone();
        for broker in 1..=BROKERS {
            let mut check = good.clone();
            check.host = format!("broker-{broker}.example");
            grown.brokers.insert(BrokerId(broker), check);
        }
        *snapshot = Arc::new(grown);
    }
    readings
}

fn partition(number: i32, pattern: &Partition) -> Partition {
    let mut buckets = Buckets::new(&Bounds::default());
    // No two partitions alike: equal lines would compress too well.
    let spread = 9_000 + 371 * u64::from(number.unsigned_abs());
    for step in 0..10_000 {
        buckets.record(Duration::from_micros(700 + step * 37 % spread));
    }
    let counts = BrokerCounts {
        outcomes: [10_000, 0, 0, 0, 0, 0, 0, 0],
        produce: buckets.clone(),
        end_to_end: buckets.clone(),
        delivery: buckets,
        bad: 0,
        unacknowledged: 0,
    };
    let leader = Some(BrokerId(1 + number % BROKERS));
    Partition {
        by_broker: BTreeMap::from([(leader, counts)]),
        leader,
        rack: Some("rack-a".to_owned()),
        ..pattern.clone()
    }
}

fn scrape(readings: &Readings, format: Format) -> Vec<u8> {
    let process = sample::process(SystemTime::UNIX_EPOCH);
    let compat = Compat { cc_heartbeat: true, ..Compat::default() };
    let exposed = Exposed::to_scrape(std::slice::from_ref(readings), &process, compat);
    let mut all = Vec::new();
    render::everything(&exposed, &mut all);
    prometheus::encode(&all, &BTreeMap::new(), format)
}

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let rounds = number(&arguments, 0, 300);
    let config = sample::config();
    let readings = readings(&config);
    let series = {
        let text = String::from_utf8_lossy(&scrape(&readings, Format::Text)).into_owned();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let formats =
        [("text", Format::Text), ("openmetrics", Format::OpenMetrics), ("protobuf", Format::Protobuf)];
    for (name, format) in formats {
        let body = scrape(&readings, format);
        let (mut encoded, mut copied) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            encoded.push(1e3 * seconds(|| drop(black_box(scrape(black_box(&readings), format)))));
            copied.push(1e3 * seconds(|| drop(black_box(black_box(body.as_slice()).to_owned()))));
        }
        let (encoded_ms, floor_ms) = (median(&encoded), median(&copied));
        println!(
            "{name}: {series} series, {:.0} kB: {encoded_ms:.2} ms median, {:.2} ms p99 of {rounds}; floor (copy) {floor_ms:.3} ms, ratio {:.0}, {:.0} MB/s",
            body.len() as f64 / 1e3,
            quantile(&encoded, 0.99),
            encoded_ms / floor_ms,
            body.len() as f64 / 1e3 / encoded_ms,
        );
    }
    through_http(&readings, &config, rounds);
}

/// The same over a loopback connection that stays open, as Prometheus does it, with and without gzip.
fn through_http(readings: &Readings, config: &kafka_heartbeat::config::Config, rounds: u64) {
    let served = served::serve(sample::board(readings.clone()), config);
    let address = served.address;
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let openmetrics = "application/openmetrics-text;version=1.0.0";
    let protobuf = "application/vnd.google.protobuf";
    for (name, path, accept, encoding) in [
        ("http /livez (floor)", "/livez", "*/*", "identity"),
        ("http text", "/metrics", "*/*", "identity"),
        ("http text gzip", "/metrics", "*/*", "gzip"),
        ("http openmetrics", "/metrics", openmetrics, "identity"),
        ("http openmetrics gzip", "/metrics", openmetrics, "gzip"),
        ("http protobuf gzip", "/metrics", protobuf, "gzip"),
    ] {
        let url = format!("http://{address}{path}");
        let mut size = 0;
        let mut ask = || size = served::get(&agent, &url, accept, encoding);
        ask();
        let took: Vec<f64> = (0..rounds).map(|_| 1e3 * seconds(&mut ask)).collect();
        println!(
            "{name}: {:.2} ms median, {:.2} ms p99 of {rounds}; {:.0} kB",
            median(&took),
            quantile(&took, 0.99),
            size as f64 / 1e3
        );
    }
}
