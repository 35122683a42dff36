//! The table of latencies.

use std::time::{Duration, Instant};

use super::words::{UNKNOWN, millis};
use crate::latency::{Recent, Summary};

pub(super) struct Latency {
    pub(super) name: &'static str,
    pub(super) window: &'static str,
    pub(super) p50: String,
    pub(super) p90: String,
    pub(super) p99: String,
    pub(super) max: String,
    pub(super) count: String,
}

pub(super) fn windows(name: &'static str, recent: &Recent, deadline: Duration, now: Instant) -> Vec<Latency> {
    // What was not there by the deadline has no latency but this.
    let words = |time: Duration| match time > deadline {
        true => format!("> {}", humantime::format_duration(deadline)),
        false => millis(time),
    };
    let row = |window: &'static str, seconds: u64| {
        let summary = recent.summary(now, Duration::from_secs(seconds));
        let show = |time: fn(&Summary) -> Duration| {
            summary.as_ref().map_or_else(|| UNKNOWN.to_owned(), |summary| words(time(summary)))
        };
        Latency {
            name,
            window,
            p50: show(|summary| summary.p50),
            p90: show(|summary| summary.p90),
            p99: show(|summary| summary.p99),
            max: show(|summary| summary.max),
            count: summary.as_ref().map_or_else(|| UNKNOWN.to_owned(), |summary| summary.count.to_string()),
        }
    };
    vec![row("1 min", 60), row("5 min", 300)]
}
