//! The heartbeat topic as series.

use crate::{
    catalog::topic as c,
    kafka::Capability,
    metrics::{
        Series, Value,
        values::{flag, text},
    },
    probe::topic::{self, ActionKind, Blocked},
};

/// Whether the heartbeat topic is ready, and what it still needs.
pub(super) fn topic<'a>(name: &'a str, snapshot: &'a topic::Snapshot, series: &mut Vec<Series<'a>>) {
    series.push(c::TOPIC_READY.series([text(name)], flag(snapshot.ready)));
    // Without the settings of the topic it is not known whether one of them is wrong: a 0 would say that none is.
    let unknown = |kind| kind == ActionKind::Configure && snapshot.configs != Capability::Ok;
    for kind in ActionKind::ALL.into_iter().filter(|kind| !unknown(*kind)) {
        let count = snapshot.pending.iter().filter(|action| action.kind() == kind).count();
        series.push(c::TOPIC_PENDING.series([text(name), text(kind.as_str())], Value::Count(count as u64)));
    }
    let unknown = |reason| reason == Blocked::Reassigning && snapshot.reassignments != Capability::Ok;
    for reason in Blocked::ALL.into_iter().filter(|reason| !unknown(*reason)) {
        let holds = snapshot.blocked.contains(&reason);
        series.push(c::TOPIC_BLOCKED.series([text(name), text(reason.as_str())], flag(holds)));
    }
    series.push(c::TOPIC_UNCOVERED.series([text(name)], Value::Count(snapshot.uncovered.len() as u64)));
}
