//! The table of brokers.

use std::time::SystemTime;

use super::words::{UNKNOWN, ago, expires, millis, short};
use crate::{board::Readings, probe::connectivity::Check};

/// Width of a broker's stages, for the slowest broker.
const STAGES_WIDTH: f64 = 220.0;

pub(super) struct Broker {
    pub(super) id: i32,
    pub(super) place: String,
    pub(super) rack: String,
    pub(super) up: bool,
    pub(super) since: String,
    pub(super) total: String,
    pub(super) stages: Vec<StageBar>,
    pub(super) words: String,
    pub(super) failure: String,
    pub(super) hint: &'static str,
    pub(super) certificate: String,
    pub(super) leads: String,
}

pub(super) struct StageBar {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) title: String,
}

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
                title: format!("{stage} {}", millis(*took)),
            }
        });
        let words = check.stages.iter().map(|(stage, took)| format!("{} {}", short(*stage), millis(*took)));
        Broker {
            id: id.0,
            place: format!("{}:{}", check.host, check.port),
            rack: check.rack.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            up: check.up(),
            since: ago(check.since, wall),
            total: check.total.map_or_else(|| UNKNOWN.to_owned(), millis),
            stages: stages.collect(),
            words: words.collect::<Vec<_>>().join(" · "),
            failure: check.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default(),
            hint: check.failure.as_ref().and_then(|failure| failure.fault.hint()).unwrap_or_default(),
            certificate: check.certificate_expiry.map_or_else(|| UNKNOWN.to_owned(), |at| expires(at, wall)),
            leads: leads(*id),
        }
    });
    brokers.collect()
}
