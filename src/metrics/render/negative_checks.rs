//! What the cluster should refuse as series.

use crate::{
    board::Readings,
    catalog::negative_checks as c,
    metrics::{
        Series, Value,
        values::{broker, flag, text},
    },
    probe::negative_checks::{Answer, Check},
};

/// What the brokers accept although they should refuse it.
pub(super) fn negative_checks<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.negative_checks.fresh() else { return };
    for id in snapshot.brokers.keys() {
        for check in Check::all() {
            let accepted = match snapshot.answer(*id, check) {
                Some(Answer::Accepted) => flag(true),
                Some(Answer::Refused) => flag(false),
                Some(Answer::Unknown) | None => continue,
            };
            let labels = [text(&readings.name), broker(Some(*id)), text(check.as_str())];
            series.push(c::ACCEPTED.series(labels, accepted));
        }
    }
    for check in Check::all().filter(|check| snapshot.tries(*check)) {
        for answer in Answer::ALL {
            let count = snapshot.counts.get(&(check, answer)).copied().unwrap_or_default();
            let labels = [text(&readings.name), text(check.as_str()), text(answer.as_str())];
            series.push(c::CHECKS.series(labels, Value::Count(count)));
        }
    }
}
