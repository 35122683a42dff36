//! The table of latencies.

use std::time::{Duration, Instant};

use super::words::three_digits;
use crate::{
    latency::{Recent, Summary},
    text,
};

/// The percentiles of one latency in one window, in words.
pub(super) struct Latency {
    pub(super) name: &'static str,
    pub(super) window: &'static str,
    pub(super) p50: String,
    pub(super) p90: String,
    pub(super) p99: String,
    pub(super) max: String,
    /// The number of heartbeats.
    pub(super) count: String,
}

/// A latency of the last minute and of the last five minutes.
pub(super) fn windows(name: &'static str, recent: &Recent, deadline: Duration, now: Instant) -> [Latency; 2] {
    let row = |window: &'static str, length: Duration| {
        let summary = recent.summary(now, length);
        let show = |time: fn(&Summary) -> Duration| {
            summary.as_ref().map_or_else(|| "none".to_owned(), |summary| words(time(summary), deadline))
        };
        Latency {
            name,
            window,
            p50: show(|summary| summary.p50),
            p90: show(|summary| summary.p90),
            p99: show(|summary| summary.p99),
            max: show(|summary| summary.max),
            count: summary.as_ref().map_or_else(|| "0".to_owned(), |summary| summary.count.to_string()),
        }
    };
    [row("1 min", Duration::from_secs(60)), row("5 min", Duration::from_secs(300))]
}

/// A latency. That of a heartbeat that missed its deadline is only known to be longer than the deadline.
fn words(time: Duration, deadline: Duration) -> String {
    match time > deadline {
        true => format!("over {}", text::duration(deadline)),
        false => three_digits(time),
    }
}
