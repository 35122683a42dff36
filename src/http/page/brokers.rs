//! The table of brokers.

use std::time::SystemTime;

use super::words::{UNKNOWN, ago, expires, short, three_digits};
use crate::{board::Readings, kafka::Stage, probe::connectivity::Check};

/// The width of all stages of the slowest broker, in the units of the drawing.
const STAGES_WIDTH: f64 = 220.0;

/// A broker in words.
pub(super) struct Broker {
    pub(super) id: i32,
    /// The advertised host and port.
    pub(super) address: String,
    pub(super) rack: String,
    pub(super) up: bool,
    pub(super) since: String,
    pub(super) total: String,
    pub(super) stages: Vec<StageBar>,
    /// The stages of the last session and how long each took.
    pub(super) words: String,
    pub(super) failure: String,
    pub(super) hint: &'static str,
    pub(super) certificate: String,
    /// The number of partitions of the heartbeat topic that the broker leads.
    pub(super) leads: String,
}

/// A stage of opening a session as a bar.
pub(super) struct StageBar {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) title: String,
}

/// The brokers; empty until they are known.
pub(super) fn brokers(readings: &Readings, wall: SystemTime) -> Vec<Broker> {
    let Some(snapshot) = readings.connectivity.fresh() else { return Vec::new() };
    let sum = |check: &Check| check.stages.iter().map(|(_, took)| took.as_secs_f64()).sum::<f64>();
    let slowest = snapshot.brokers.values().map(sum).fold(0.0, f64::max).max(1e-6);
    let leads = |id| {
        if readings.metadata.fresh().is_none() {
            return UNKNOWN.to_owned();
        }
        let leaders = readings.heartbeat.partitions.values().filter(|partition| partition.leader == Some(id));
        leaders.count().to_string()
    };
    let brokers = snapshot.brokers.iter().map(|(id, check)| {
        let mut x = 0.0;
        let stages = check.stages.iter().map(|(stage, took)| {
            let width = STAGES_WIDTH * took.as_secs_f64() / slowest;
            x += width;
            StageBar {
                class: stage.as_str(),
                x: x - width,
                width,
                title: format!("{stage} {}", three_digits(*took)),
            }
        });
        let words =
            check.stages.iter().map(|(stage, took)| format!("{} {}", short(*stage), three_digits(*took)));
        Broker {
            id: id.0,
            address: format!("{}:{}", check.host, check.port),
            rack: check.rack.clone().unwrap_or_else(|| "none".to_owned()),
            up: check.up(),
            since: ago(check.since, wall),
            total: check.total.map_or_else(|| "not completed".to_owned(), three_digits),
            stages: stages.collect(),
            words: words.collect::<Vec<_>>().join(" · "),
            failure: check.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default(),
            hint: check.failure.as_ref().and_then(|failure| failure.fault.hint()).unwrap_or_default(),
            certificate: certificate(check, wall),
            leads: leads(*id),
        }
    });
    brokers.collect()
}

/// When the broker's certificate expires; a session that opens without the stage TLS has no certificate.
fn certificate(check: &Check, wall: SystemTime) -> String {
    let has_tls = check.stages.iter().any(|(stage, _)| *stage == Stage::Tls);
    match check.certificate_expiry {
        Some(at) => expires(at, wall),
        None if check.up() && !has_tls => "no TLS".to_owned(),
        None => UNKNOWN.to_owned(),
    }
}
