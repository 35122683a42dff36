//! Freshness of topics as series.

use crate::{
    catalog::collect as c,
    collect::freshness::{Freshness, State},
    metrics::{
        Sink, Value,
        values::{flag, text, unix},
    },
};

/// The timestamps of the newest records of a topic, and its state.
pub(super) fn freshness<'a>(name: &'a str, topic: &'a str, found: &Freshness, series: &mut impl Sink<'a>) {
    let at = || [text(name), text(topic)];
    let seconds = |ms: i64| Value::Number(ms as f64 / 1e3);
    series.take(found.newest_ms.map(|ms| c::LAST_EVENT.series(at(), seconds(ms))));
    series.take(found.oldest_ms.map(|ms| c::OLDEST_PARTITION_EVENT.series(at(), seconds(ms))));
    series.take(found.appended_at.map(|appended| c::LAST_APPEND.series(at(), unix(appended))));
    for state in State::ALL {
        let labels = [text(name), text(topic), text(state.as_str())];
        series.push(c::FRESHNESS_STATE.series(labels, flag(state == found.state)));
    }
}
