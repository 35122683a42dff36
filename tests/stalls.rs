//! A service that a signal pauses while its cluster runs on: no latency contains a pause of the service itself.

use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use support::{
    service::{Service, Totals, signal},
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const PARTITIONS: i32 = 40;
/// In seconds. A heartbeat of a service that runs hardly ever takes this long, even on a busy machine.
const SLOW: &str = "0.25";
const HISTOGRAMS: [&str; 3] = ["end_to_end", "produce", "delivery"];

/// The number of heartbeats that took longer than [`SLOW`], by histogram.
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

/// Waits until each partition had three more good heartbeats than before. Returns the counts, and by how much the slow
/// buckets grew.
fn settle(service: &Service, before: &(Totals, [u64; 3])) -> (Totals, [u64; 3]) {
    let (totals, slow_before) = before;
    let good = |now: &Totals| now.of("ok") >= totals.of("ok") + 3 * PARTITIONS as u64;
    let after = service.wait("k", "good heartbeats", 60, good);
    let now = slow(service);
    (after, [0, 1, 2].map(|n| now[n] - slow_before[n]))
}

/// Waits until the machine is quiet enough that no heartbeat is slow while the service is not paused.
fn calm(service: &Service) {
    let growth = || settle(service, &(service.totals("k"), slow(service))).1;
    let calm = (0..20).any(|_| growth() == [0; 3]);
    assert!(calm, "on this machine heartbeats are slow although the service is not paused");
}

/// Pauses the service for this time. Returns by how much the slow buckets grew, or `None` if no heartbeat was in flight.
fn growth(service: &Service, pause: Duration) -> Option<[u64; 3]> {
    calm(service);
    let before = (service.totals("k"), slow(service));
    signal(service.pid(), "STOP");
    let stopped = Instant::now();
    wait_for("the pause to be over", pause * 2, || (stopped.elapsed() >= pause).then_some(()));
    signal(service.pid(), "CONT");
    let (after, growth) = settle(service, &before);
    assert_eq!(after.bad(), before.0.bad(), "{pause:?}: {after:?}\n{}", service.log());
    let was_in_flight = after.of("skipped") > before.0.of("skipped") || growth != [0; 3];
    was_in_flight.then_some(growth)
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
    for (pause, rounds) in [(350, 3), (3_000, 2), (20_000, 1)] {
        let pause = Duration::from_millis(pause);
        for round in 1..=rounds {
            // A pause without a heartbeat in flight proves nothing.
            let growth = (0..3).find_map(|_| growth(&service, pause));
            let growth = growth.expect("a heartbeat is in flight during one of three pauses");
            let log = service.log();
            assert_eq!(growth, [0; 3], "pause {round} of {pause:?}: {HISTOGRAMS:?} grew\n{log}");
        }
    }
}
