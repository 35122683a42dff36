//! What the first heartbeats of fresh clients take, of a probe and of a service.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    measure::pause,
    support::service::{Service, program},
};

/// What a probe reported.
pub(crate) struct Probe {
    /// 0 if all was well.
    pub(crate) code: Option<i32>,
    /// Milliseconds; absent where nothing was sent.
    pub(crate) p50: Option<f64>,
    /// The same.
    pub(crate) max: Option<f64>,
    /// Heartbeats that ended in each way.
    pub(crate) outcomes: String,
}

impl Probe {
    pub(crate) fn print(&self, name: &str) {
        let ms = |value: Option<f64>| value.map_or("unknown".to_owned(), |ms| format!("{ms:.2} ms"));
        let code = self.code.map_or("none".to_owned(), |code| code.to_string());
        println!("{name}: p50 {}, max {}; {}; exit code {code}", ms(self.p50), ms(self.max), self.outcomes);
    }
}

/// Runs `probe` on the heartbeat topic of a configuration.
pub(crate) fn probe(config: &str, count: u32, deadline: &str) -> Probe {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    std::fs::write(&file, config).expect("a file");
    let mut command = program();
    command.args([
        "probe",
        "--format",
        "json",
        "--count",
        &count.to_string(),
        "--deadline",
        deadline,
        "--config",
    ]);
    let output = command.arg(&file).stderr(Stdio::null()).output().expect("the program");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    let cluster = &report["clusters"][0];
    let ms = |name: &str| Some(cluster["end_to_end"][name].as_f64()? * 1e3);
    let outcomes = cluster["outcomes"].as_object().expect("outcomes");
    let outcomes = outcomes.iter().filter(|(_, count)| count.as_u64() != Some(0));
    let outcomes: Vec<_> = outcomes.map(|(name, count)| format!("{count} {name}")).collect();
    Probe {
        code: output.status.code(),
        p50: ms("p50_seconds"),
        max: ms("max_seconds"),
        outcomes: outcomes.join(", "),
    }
}

/// Prints how many heartbeats of a service that was just started took longer than 100 ms.
pub(crate) fn print_first(config: &str, time: Duration, name: &str) {
    let begun = Instant::now();
    let service = Service::start(config);
    pause(time.saturating_sub(begun.elapsed()));
    let family = |suffix: &str| format!("heartbeat_end_to_end_duration_seconds_{suffix}");
    let fast = service.sum(&family("bucket"), &["le=\"0.1\""]);
    let all = service.sum(&family("count"), &[]);
    let totals = service.totals("k");
    println!(
        "{name}: {} of {all} heartbeats took longer than 100 ms; {} bad, {} skipped, startup {:.2} s",
        all - fast,
        totals.bad(),
        totals.of("skipped"),
        service.series("heartbeat_startup_duration_seconds", &[]).expect("heartbeats began"),
    );
    service.stop();
}
