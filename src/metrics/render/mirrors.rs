//! Mirrors as series.

use crate::{
    board::Readings,
    catalog::mirrors as c,
    metrics::{
        Series, Value,
        values::{flag, text, unix},
    },
    probe::mirrors::{Anomaly, Outcome, State, Translation},
};

/// What became of the heartbeats of other clusters, for each mirror to the cluster.
pub(super) fn mirrors<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.mirrors.fresh() else { return };
    for (name, mirror) in &snapshot.mirrors {
        let labels = || [text(&readings.name), text(name), text(&mirror.source)];
        let with =
            |label: &'static str| [text(&readings.name), text(name), text(&mirror.source), text(label)];
        let counts = &mirror.counts;
        for state in State::ALL {
            series.push(c::STATE.series(with(state.as_str()), flag(state == mirror.state)));
        }
        series.push(c::EXPECTED.series(labels(), Value::Count(counts.expected)));
        for outcome in Outcome::ALL {
            series.push(c::OUTCOMES.series(with(outcome.as_str()), Value::Count(counts.of(outcome))));
        }
        series.push(c::IN_FLIGHT.series(labels(), Value::Count(mirror.in_flight)));
        series.extend(mirror.overdue.map(|overdue| c::OVERDUE.series(labels(), Value::Count(overdue))));
        for (kind, count) in Anomaly::ALL.into_iter().zip(counts.anomalies) {
            series.push(c::ANOMALIES.series(with(kind.as_str()), Value::Count(count)));
        }
        series.push(c::DROPPED.series(labels(), Value::Count(counts.dropped)));
        series.push(c::LATENCY.series(labels(), Value::Buckets(&counts.latency)));
        series.extend(mirror.newest.map(|newest| c::NEWEST.series(labels(), unix(newest))));
        let Some(checkpoints) = &mirror.checkpoints else { continue };
        for (translation, count) in Translation::ALL.into_iter().zip(checkpoints.counts) {
            series.push(c::CHECKPOINTS.series(with(translation.as_str()), Value::Count(count)));
        }
        let repeated = checkpoints.repeated.map(Value::Count);
        series.extend(repeated.map(|records| c::CHECKPOINT_REPEATED.series(labels(), records)));
        series.extend(checkpoints.newest.map(|newest| c::CHECKPOINT_NEWEST.series(labels(), unix(newest))));
    }
}
