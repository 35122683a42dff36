//! What the benches share: rounds, medians, and what the system says of a process.
//!
//! Nothing here judges: a bench prints what it saw beside a floor measured in the same run. Every bench
//! compiles this folder for itself and uses a part of it.

use std::{
    env, fs, thread,
    time::{Duration, Instant},
};

/// Clock ticks a second in `/proc`: 100 on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// The arguments behind `cargo bench --bench NAME --`; `None` under `cargo test`, which must not measure.
pub(crate) fn arguments() -> Option<Vec<String>> {
    let all: Vec<String> = env::args().skip(1).collect();
    let asked = all.iter().any(|argument| argument == "--bench");
    asked.then(|| all.into_iter().filter(|argument| argument != "--bench").collect())
}

/// The argument at `index` as a number, or `otherwise`.
pub(crate) fn number(arguments: &[String], index: usize, otherwise: u64) -> u64 {
    arguments.get(index).map_or(otherwise, |text| text.parse().expect("the argument is a number"))
}

/// The value in the middle; of an even number, the mean of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    assert!(!values.is_empty(), "a median of nothing");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}

/// The smallest value that at least this share of all values does not exceed.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    assert!(!values.is_empty(), "a quantile of nothing");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// How many seconds `work` took.
pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

/// Resident memory of a process in MB.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    memory(pid, "VmRSS:")
}

/// The most that was ever resident of a process, in megabytes.
pub(crate) fn peak_mb(pid: u32) -> f64 {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process has memory");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("the kernel writes a number");
    kib * 1024.0 / 1e6
}

/// User and system time of a process in seconds, to a hundredth.
pub(crate) fn processor_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let (_, behind_name) = stat.rsplit_once(')').expect("the name is in brackets");
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("the kernel writes a number")).sum::<f64>()
        / TICKS_PER_SECOND
}

/// Lets time pass: a bench watches a running service, and there is no condition to wait for.
#[expect(clippy::disallowed_methods, reason = "a bench watches for a given time")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
