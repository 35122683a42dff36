//! The service stopped by a signal, and a cluster that is not: the service's own pauses are in no latency.

use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use support::{
    service::{Service, signal},
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const PARTITIONS: i32 = 40;
/// No heartbeat of a service that runs takes as long, not even on a busy machine, but for chance.
const SLOW: &str = "0.25";
const HISTOGRAMS: [&str; 3] = ["end_to_end", "produce", "delivery"];

/// Heartbeats that took longer than [`SLOW`], by histogram.
fn slow(service: &Service) -> [u64; 3] {
    let metrics = service.get("/metrics").expect("metrics");
    HISTOGRAMS.map(|name| {
        let sum = |suffix: &str, label: &str| -> f64 {
            let family = format!("heartbeat_{name}_duration_seconds_{suffix}{{");
            let lines = metrics.lines().filter(|line| line.starts_with(&family) && line.contains(label));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        (sum("count", "") - sum("bucket", &format!("le=\"{SLOW}\""))) as u64
    })
}

/// Stops the service for so long: the growth of the slow buckets.
fn growth(service: &Service, pause: Duration) -> [u64; 3] {
    let before = (service.totals("k"), slow(service));
    signal(service.pid(), "STOP");
    let stopped = Instant::now();
    wait_for("the pause to be over", pause * 2, || (stopped.elapsed() >= pause).then_some(()));
    signal(service.pid(), "CONT");
    let all =
        |totals: &support::service::Totals| totals.of("ok") >= before.0.of("ok") + 3 * PARTITIONS as u64;
    let after = service.wait("k", "good heartbeats again", 30, all);
    assert_eq!(after.bad(), before.0.bad(), "{after:?}\n{}", service.log());
    assert!(after.of("skipped") > before.0.of("skipped"), "what was in flight is counted: {after:?}");
    let now = slow(service);
    [0, 1, 2].map(|n| now[n] - before.1[n])
}

#[test]
fn latency_histograms_do_not_grow_by_stalls_of_this_process() {
    let cluster = MockCluster::new(3).expect("a mock cluster");
    cluster.create_topic("kafka-heartbeat", PARTITIONS, 3).expect("a topic");
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {}\n[topic]\npartitions = {PARTITIONS}\n\
         [consumer]\nfetch.wait.max.ms = 5\n",
        cluster.bootstrap_servers()
    ));
    service.wait("k", "good heartbeats", 30, |totals| totals.of("ok") >= 3 * PARTITIONS as u64);
    for pause in [350, 3_000, 20_000].map(Duration::from_millis) {
        // Without the exclusion each pause adds several. A busy machine may add one by chance, but not each time.
        let mut rounds = (0..4).map(|_| growth(&service, pause));
        let clean = rounds.any(|growth| growth == [0; 3]);
        assert!(clean, "each stop for {pause:?} made latencies grow\n{}", service.log());
    }
}
