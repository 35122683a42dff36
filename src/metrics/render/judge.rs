//! Judgements of groups and of rates as series.

use crate::{
    catalog::judge as c,
    config::Granularity,
    evaluate::judge::{GroupJudgement, Judgement, Kind, Progress, Rate, Status},
    metrics::{
        Sink, Value,
        values::{flag, text, unix},
    },
};

/// The verdict on each group as a whole.
pub(super) fn groups<'a>(name: &'a str, judged: &'a Judgement, series: &mut impl Sink<'a>) {
    let deleted = judged.groups.values().filter(|group| group.absent).count();
    series.push(c::DELETED.series([text(name)], Value::Count(deleted as u64)));
    for (group, judged) in present(judged) {
        let Some(verdict) = judged.verdict else { continue };
        for one in Progress::ALL {
            let labels = [text(name), text(group), text(one.as_str())];
            series.push(c::VERDICT.series(labels, flag(one == verdict)));
        }
        series.push(c::VERDICT_SINCE.series([text(name), text(group)], unix(judged.since)));
    }
}

/// The status of each group on each topic, and the verdict on its partitions if series of partitions are wanted.
pub(super) fn topics<'a>(
    name: &'a str,
    judged: &'a Judgement,
    granularity: Granularity,
    series: &mut impl Sink<'a>,
) {
    for (group, judged) in present(judged) {
        for (topic, judged) in &judged.topics {
            for status in Status::ALL {
                let labels = [text(name), text(group), text(topic), text(status.as_str())];
                series.push(c::STATUS.series(labels, flag(status == judged.status)));
            }
            let at = || [text(name), text(group), text(topic)];
            series.push(c::STATUS_SINCE.series(at(), unix(judged.since)));
            series.push(c::STUCK.series(at(), Value::Count(judged.stuck as u64)));
            if granularity == Granularity::Topic {
                continue;
            }
            for (number, verdict) in &judged.verdicts {
                let number = number.to_string().into();
                let labels = [text(name), text(group), text(topic), number, text(verdict.as_str())];
                series.push(c::PARTITION_VERDICT.series(labels, Value::Count(1)));
            }
        }
    }
}

/// The rate of records of each topic, and whether it is unusual.
pub(super) fn rates<'a>(name: &'a str, judged: &'a Judgement, series: &mut impl Sink<'a>) {
    for (topic, Rate { actual, expected, score, kind }) in &judged.rates {
        let at = || [text(name), text(topic)];
        series.push(c::RATE.series(at(), Value::Number(*actual)));
        series.push(c::RATE_EXPECTED.series(at(), Value::Number(*expected)));
        series.push(c::RATE_SCORE.series(at(), Value::Number(*score)));
        for one in Kind::ALL {
            let labels = [text(name), text(topic), text(one.as_str())];
            series.push(c::RATE_ODD.series(labels, flag(*kind == Some(one))));
        }
    }
}

/// The groups that Kafka lists. A deleted group appears in the report only.
fn present(judged: &Judgement) -> impl Iterator<Item = (&str, &GroupJudgement)> {
    judged.groups.iter().filter(|(_, group)| !group.absent).map(|(name, group)| (&**name, group))
}
