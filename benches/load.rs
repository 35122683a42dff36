//! The service under load and at rest: what became of every heartbeat, and what it cost.
//!
//! `cargo bench --bench load -- steady|mock|overload|idle [SECONDS]`; without a name, all of them.
//! `steady`: a real cluster, 20 partitions, ten a second each. `mock`: the embedded cluster, 100 partitions, fifty
//! a second each. `overload`: 2,000 a second to three replicated partitions of a real cluster, then 10 a second.
//! `idle`: three partitions, one a second. The real cluster is `KAFKA_BOOTSTRAP_SERVERS` or one of its own.

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::time::{Duration, Instant};

use measure::{number, pause, processor_seconds, resident_mb};
use rdkafka::mocking::MockCluster;
use support::{
    kafka::{Kafka, Listener},
    service::{Service, Totals},
};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "made for tests")]
mod support;

const ALL: [&str; 4] = ["steady", "mock", "overload", "idle"];
/// How long after an overload everything should be well again.
const RECOVERY: Duration = Duration::from_secs(30);

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let named = arguments.first().filter(|name| ALL.contains(&name.as_str()));
    let time = Duration::from_secs(number(&arguments, usize::from(named.is_some()), 60));
    for name in ALL.into_iter().filter(|name| named.is_none_or(|named| named == name)) {
        match name {
            "steady" => steady(time),
            "mock" => mock(time),
            "overload" => overload(time),
            _ => idle(time),
        }
    }
}

fn real() -> Option<String> {
    Kafka::shared().map(|kafka| kafka.bootstrap(Listener::Plaintext))
}

fn config(bootstrap: &str, topic: &str, interval: &str, partitions: i32) -> String {
    format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\ntopic = {topic}\ninterval = {interval}\n\
         [topic]\npartitions = {partitions}\n"
    )
}

fn steady(time: Duration) {
    let Some(bootstrap) = real() else { return };
    let service = Service::start(&config(&bootstrap, "bench-steady", "100ms", 20));
    warm(&service);
    watch("steady", &service, time, Duration::from_secs(5));
}

fn mock(time: Duration) {
    const TOPIC: &str = "bench-mock";
    const PARTITIONS: i32 = 100;
    // The mock answers an empty fetch only after the longest wait.
    let cluster = MockCluster::new(3).expect("an embedded cluster");
    cluster.create_topic(TOPIC, PARTITIONS, 3).expect("a topic");
    for partition in 0..PARTITIONS {
        cluster.partition_leader(TOPIC, partition, Some(1 + partition % 3)).expect("a leader");
    }
    let config = config(&cluster.bootstrap_servers(), TOPIC, "20ms", PARTITIONS);
    let service = Service::start(&format!("{config}[consumer]\nfetch.wait.max.ms = 5\n"));
    warm(&service);
    watch("mock", &service, time, Duration::from_secs(5));
}

fn overload(time: Duration) {
    let Some(bootstrap) = real() else { return };
    let service = Service::start(&config(&bootstrap, "bench-overload", "1500us", 3));
    warm(&service);
    watch("overload", &service, time, Duration::from_secs(1));
    service.stop();
    let begun = Instant::now();
    let service = Service::start(&config(&bootstrap, "bench-overload", "100ms", 3));
    // Every second: has anything ended otherwise than well since the last look?
    let (mut last, mut well) = (None, None::<Instant>);
    while begun.elapsed() < RECOVERY + Duration::from_secs(15) {
        pause(Duration::from_secs(1));
        let totals = service.totals("k");
        let bad = totals.bad() + totals.of("skipped");
        let good = totals.of("ok");
        let calm = last.is_some_and(|(before, ok)| bad == before && good > ok) || (bad == 0 && good > 0);
        well = if calm { well.or(Some(Instant::now())) } else { None };
        last = Some((bad, good));
    }
    let words = well.map_or_else(
        || "not well yet".to_owned(),
        |since| format!("nothing but ok from {:.0} s after its start on", (since - begun).as_secs_f64()),
    );
    println!("after the overload, 10/s on each partition: {words}; {}", counts(&service.totals("k")));
}

fn idle(time: Duration) {
    let Some(bootstrap) = real() else { return };
    let service = Service::start(&config(&bootstrap, "bench-idle", "1s", 3));
    warm(&service);
    // A scrape each fifteen seconds is part of an idle life.
    watch("idle", &service, time, Duration::from_secs(15));
}

fn warm(service: &Service) {
    service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 3);
}

/// Scrapes the service for some time, and prints what it did and used meanwhile. Reading the counts checks that
/// the books balance.
fn watch(name: &str, service: &Service, time: Duration, every: Duration) {
    let (begun, used, before) = (Instant::now(), processor_seconds(service.pid()), service.totals("k"));
    let (mut largest, mut scrapes) = (0f64, Vec::new());
    while begun.elapsed() < time {
        pause(every.min(time.saturating_sub(begun.elapsed())));
        service.totals("k");
        scrapes.push(1e3 * measure::seconds(|| drop(service.get("/metrics").expect("/metrics answers"))));
        largest = largest.max(resident_mb(service.pid()));
    }
    let (took, used) = (begun.elapsed().as_secs_f64(), processor_seconds(service.pid()) - used);
    let totals = service.totals("k");
    let scheduled = totals.scheduled - before.scheduled;
    println!(
        "{name}: {:.0} scheduled a second for {took:.0} s; {}",
        scheduled as f64 / took,
        counts(&totals)
    );
    println!(
        "{name}: {used:.2} s of processor time, {:.1} % of a core, {:.1} µs a heartbeat; at most {largest:.1} MB resident; /metrics {:.1} ms median, {:.1} ms worst",
        100.0 * used / took,
        1e6 * used / scheduled.max(1) as f64,
        measure::median(&scrapes),
        measure::quantile(&scrapes, 1.0),
    );
    let window = &service.api("/api/v1/status", "k")["end_to_end"]["1m"];
    let ms =
        |key: &str| window[key].as_f64().map_or_else(|| "none".to_owned(), |s| format!("{:.1} ms", s * 1e3));
    println!(
        "{name}: end to end p50 {}, p99 {}, max {}",
        ms("p50_seconds"),
        ms("p99_seconds"),
        ms("max_seconds")
    );
}

fn counts(totals: &Totals) -> String {
    let ended = totals.outcomes.iter().filter(|(_, count)| **count > 0);
    let ended: Vec<_> = ended.map(|(outcome, count)| format!("{outcome} {count}")).collect();
    format!(
        "scheduled {} = {} + {} in flight; judged {}, bad {}",
        totals.scheduled,
        ended.join(" + "),
        totals.in_flight,
        totals.events,
        totals.bad_events
    )
}
