//! The lag of a group on one partition as series.

use crate::{
    catalog::{collect as c, compat::klag_exporter as k},
    collect::time_lag::Method,
    evaluate::lag::Lag,
    kafka::admin::Member,
    metrics::{Label, Sink, Value, values::text},
};

/// The numbers of a lag but the time lag: the committed offset, the lag in records, the lost records, and the margin and
/// ratio of retention. Each is absent while it is not known.
fn numbers(lag: &Lag) -> [Option<Value<'static>>; 5] {
    let whole = |number: i64| Value::Number(number as f64);
    [
        Some(whole(lag.committed)),
        lag.records.map(whole),
        lag.lost.map(whole),
        lag.retention_margin.map(whole),
        lag.retention_ratio.map(Value::Number),
    ]
}

/// The time lag in seconds. Absent while it is not known.
fn seconds(lag: &Lag) -> Option<Value<'static>> {
    lag.time.map(|time| Value::Number(time.age.as_secs_f64()))
}

/// The lag, with our own labels.
pub(super) fn without_member<'a>(at: [Label<'a>; 4], lag: &Lag, series: &mut impl Sink<'a>) {
    let families = [&c::GROUP_OFFSET, &c::GROUP_LAG, &c::GROUP_LOST, &c::GROUP_MARGIN, &c::GROUP_RATIO];
    for (family, value) in families.into_iter().zip(numbers(lag)) {
        if let Some(value) = value {
            series.push(family.series(at.clone(), value));
        }
    }
    series.take(seconds(lag).map(|seconds| c::GROUP_LAG_SECONDS.series(at, seconds)));
}

/// The lag, with klag-exporter's labels: the member that reads the partition, and whether the topic is compacted or
/// records were lost.
pub(super) fn with_member<'a>(
    at: [Label<'a>; 4],
    reader: Option<&'a Member>,
    compacted: bool,
    lag: &Lag,
    series: &mut impl Sink<'a>,
) {
    let [name, group, topic, partition] = at;
    let of = |part: fn(&'a Member) -> &'a str| text(reader.map_or("", part));
    let (host, id, client) =
        (of(|member| &member.host), of(|member| &member.id), of(|member| &member.client));
    let at = [name, group, topic, partition, host, id, client];
    let families = [&k::MEMBER_OFFSET, &k::MEMBER_LAG, &k::MEMBER_LOST, &k::MEMBER_MARGIN, &k::MEMBER_RATIO];
    for (family, value) in families.into_iter().zip(numbers(lag)) {
        if let Some(value) = value {
            series.push(family.series(at.clone(), value));
        }
    }
    if let Some(seconds) = seconds(lag) {
        let [name, group, topic, partition, host, id, client] = at;
        let holds = |holds: bool| text(if holds { "true" } else { "false" });
        let (compacted, lost) = (holds(compacted), holds(lag.lost > Some(0)));
        let labels = [name, group, topic, partition, host, id, client, compacted, lost];
        series.push(k::MEMBER_LAG_SECONDS.series(labels, seconds));
    }
}

/// What no other exporter has: that the committed offset was reset, and how far the time lag may be from the truth.
pub(super) fn reset_and_error<'a>(at: [Label<'a>; 4], lag: &Lag, series: &mut impl Sink<'a>) {
    if lag.reset {
        series.push(c::GROUP_RESET.series(at.clone(), Value::Count(1)));
    }
    if let Some(time) = lag.time.filter(|time| time.method != Method::Current) {
        let [name, group, topic, partition] = at;
        let error = time.error.map_or(f64::INFINITY, |error| error.as_secs_f64());
        let labels = [name, group, topic, partition, text(time.method.as_str())];
        series.push(c::GROUP_LAG_ERROR.series(labels, Value::Number(error)));
    }
}
