//! Rounds of heartbeats, and what each of them took.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    measure::{pause, peak_mb, processor_seconds, quantile},
    support::service::{Service, program},
};

/// Connections are opened and caches filled before anything counts.
pub(crate) const WARM_UP: Duration = Duration::from_secs(4);
/// The API keeps the last sixty heartbeats of a partition: six seconds at ten a second.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// What a round saw.
pub(crate) struct Round {
    /// Milliseconds.
    pub(crate) latencies: Vec<f64>,
    /// Of a core, in percent.
    pub(crate) processor: f64,
    /// Megabytes at the most.
    pub(crate) resident: f64,
}

impl Round {
    pub(crate) fn print(&self, name: &str) {
        println!(
            "{name}: p50 {:.2} ms, p99 {:.2} ms, mean {:.2} ms, max {:.1} ms of {}; {:.1} % of a core, at most {:.1} MB",
            quantile(&self.latencies, 0.5),
            quantile(&self.latencies, 0.99),
            self.latencies.iter().sum::<f64>() / self.latencies.len() as f64,
            quantile(&self.latencies, 1.0),
            self.latencies.len(),
            self.processor,
            self.resident,
        );
    }
}

/// Makes the heartbeat topic of a configuration: by the same hand, leaders are spread alike.
pub(crate) fn create(config: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    std::fs::write(&file, config).expect("a file");
    let applied = program().args(["topic", "apply", "--config"]).arg(&file).output().expect("the program");
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}

/// The service itself for a while, when it has settled; `meanwhile` is done every four seconds.
pub(crate) fn service(config: &str, settle: Duration, time: Duration, meanwhile: impl Fn(&Service)) -> Round {
    let service = Service::start(config);
    service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 3);
    pause(settle);
    let old = beats(&service);
    let (begun, used) = (Instant::now(), processor_seconds(service.pid()));
    let mut seen = BTreeMap::new();
    while begun.elapsed() < time {
        pause(LOOK_EVERY.min(time.saturating_sub(begun.elapsed())));
        seen.append(&mut beats(&service));
        meanwhile(&service);
    }
    let processor = 100.0 * (processor_seconds(service.pid()) - used) / begun.elapsed().as_secs_f64();
    let resident = peak_mb(service.pid());
    let totals = service.totals("k");
    assert_eq!(totals.bad() + totals.of("skipped"), 0, "{totals:?}");
    service.stop();
    seen.retain(|beat, _| !old.contains_key(beat));
    Round { latencies: seen.into_values().collect(), processor, resident }
}

/// Milliseconds of the heartbeats that have ended, by partition and sequence.
fn beats(service: &Service) -> BTreeMap<(u64, u64), f64> {
    let answer = service.api("/api/v1/heartbeats", "k");
    let partitions = answer["partitions"].as_array().expect("partitions");
    let beats = partitions.iter().flat_map(|partition| {
        let number = partition["partition"].as_u64().expect("a number");
        partition["beats"].as_array().expect("beats").iter().filter_map(move |beat| {
            beat["outcome"].as_str()?;
            let sequence = beat["sequence"].as_u64().expect("a sequence");
            Some(((number, sequence), beat["end_to_end_seconds"].as_f64()? * 1e3))
        })
    });
    beats.collect()
}
