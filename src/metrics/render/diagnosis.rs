//! Suspects as series.

use crate::{
    board::Readings,
    catalog::diagnosis as c,
    metrics::{Series, Value, values::text},
};

/// So many suspects are exposed, the surest first: a cluster with hundreds of brokers may fail as a whole.
const MOST: usize = 20;

/// Which component is to blame, by kind and subject.
pub(super) fn diagnosis<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(diagnosis) = &readings.verdict.diagnosis else { return };
    for suspect in diagnosis.suspects.iter().take(MOST) {
        let labels = [text(&readings.name), text(suspect.kind.as_str()), text(&suspect.subject)];
        series.push(c::SUSPECT.series(labels, Value::Count(suspect.confidence.level())));
    }
    let unexplained = Value::Count(diagnosis.unexplained.len() as u64);
    series.push(c::UNEXPLAINED.series([text(&readings.name)], unexplained));
}
