//! What a service with every task switched on costs at the default intervals, beside one with what is on by default: processor time
//! and memory, against a real cluster of three brokers, a second cluster that MirrorMaker 2 copies to, a Schema Registry and a worker
//! of Kafka Connect.
//!
//! `cargo bench --bench everything -- [PAIRS] [SECONDS]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::time::{Duration, Instant};

use measure::{median, number, pause, peak_mb, processor_seconds};
use support::{
    connect::Worker,
    kafka::{Extras, Kafka, Listener, mirror_maker::MirrorMaker},
    registry::Registry,
    service::Service,
};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "made for tests")]
mod support;

const TOPIC: &str = "bench-everything";

/// What is not switched on by itself, but for the sections that need an address.
const SWITCHES: &str = "[lag]\nmembers = true\n[log_dirs]\nenabled = true\n[transaction_coordinators]\nenabled = true\n\
    [transaction_probe]\nenabled = true\n[negative_checks]\nenabled = true\n[remote_reads]\nenabled = true\n";

/// Connections are opened, and what runs seldom runs for the first time.
const WARM_UP: Duration = Duration::from_secs(40);

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let (pairs, time) = (number(&arguments, 0, 3), Duration::from_secs(number(&arguments, 1, 120)));
    let Some(primary) = Kafka::shared() else { return };
    let Some(standby) = Kafka::start_single(&Extras::default()) else { return };
    let Some(registry) = Registry::start(&standby) else { return };
    let Some(worker) = Worker::start(&standby.bootstrap(Listener::Plaintext)) else { return };
    let Some(_mirror) = MirrorMaker::start(primary, &standby, TOPIC, "") else { return };
    let both = |primary: &str, standby: &str| {
        format!(
            "[cluster:primary]\nbootstrap.servers = {primary}\nheartbeat.topic = {TOPIC}\n\
             [cluster:standby]\nbootstrap.servers = {standby}\nheartbeat.topic = bench-standby\n"
        )
    };
    let usual = both(&primary.bootstrap(Listener::Plaintext), &standby.bootstrap(Listener::Plaintext));
    let everything = format!(
        "{usual}schema_registry.schema.registry.url = {}\nschema_registry.write = true\n\
         [connect:files]\nurl = {}\ncluster = standby\n[mirror:dr]\nsource = primary\ntarget = standby\n{SWITCHES}",
        registry.url(),
        worker.url(),
    );
    let (mut usual_costs, mut all_costs) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        usual_costs.push(round(&format!("{pair} default   "), &usual, time));
        all_costs.push(round(&format!("{pair} everything"), &everything, time));
    }
    let (usual, all) = (median(&usual_costs), median(&all_costs));
    println!(
        "median: default {usual:.2} % of a core, everything {all:.2} %, for two clusters; ratio {:.2}",
        all / usual
    );
}

/// The processor time of a service, in percent of a core.
fn round(name: &str, config: &str, time: Duration) -> f64 {
    let service = Service::start(config);
    for cluster in ["primary", "standby"] {
        service.wait(cluster, "good heartbeats", 60, |totals| totals.of("ok") >= 3);
    }
    pause(WARM_UP);
    let (begun, used) = (Instant::now(), processor_seconds(service.pid()));
    pause(time);
    let share = 100.0 * (processor_seconds(service.pid()) - used) / begun.elapsed().as_secs_f64();
    let bad: u64 = ["primary", "standby"].iter().map(|cluster| service.totals(cluster).bad()).sum();
    let failed = service.sum("heartbeat_cycle_faults_total", &[]);
    println!(
        "{name}: {share:.2} % of a core, at most {:.1} MB, {bad} bad heartbeats, {failed} failed cycles",
        peak_mb(service.pid())
    );
    service.stop();
    share
}
