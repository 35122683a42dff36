//! Judges in each cycle whether the traffic of each topic is usual.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    anomaly::{self, Rate},
    groups::{Changes, CycleView, Judge},
    row::BaselineRow,
};
use crate::{clock::since_1970, config};

/// The baseline of a topic is forgotten after this many cycles in a row without the topic: a topic that is missing for
/// an hour may return.
const FORGET_AFTER: u32 = 120;

impl Judge {
    /// The rate of each topic whose usual traffic is known. Adds each topic whose traffic became unusual, or usual again, to
    /// `changes`.
    pub(crate) fn rates(
        &mut self,
        cycle: &CycleView<'_>,
        settings: &config::Anomaly,
        changes: &mut Changes,
    ) -> BTreeMap<Arc<str>, Rate> {
        self.traffic.retain(|name, flow| {
            flow.missing = if cycle.topics.contains_key(name) { 0 } else { flow.missing.saturating_add(1) };
            let stays = flow.missing < FORGET_AFTER;
            if !stays {
                self.forgotten.baselines.push(BaselineRow { topic: name.clone(), baseline: None });
            }
            stays
        });
        let since = since_1970(cycle.at.wall);
        let (hour, _) = anomaly::hour(since.as_secs());
        let mut rates = BTreeMap::new();
        for (name, topic) in cycle.topics {
            let flow = self.traffic.entry(name.clone()).or_default();
            let before = flow.appended.replace(topic.appended);
            let more = before.and_then(|before| topic.appended.checked_sub(before));
            match more.filter(|_| topic.rate.is_some()) {
                Some(records) => flow.changed |= flow.traffic.add(cycle.at.own, hour, records),
                // The topic was not read in this cycle, or it was recreated.
                None => flow.traffic.pause(cycle.at.own),
            }
            let was = flow.traffic.odd();
            if let Some(rate) = flow.traffic.judge(since.as_secs(), settings) {
                rates.insert(name.clone(), rate);
            }
            let is = flow.traffic.odd();
            if was != is {
                flow.changed = true;
                changes.traffic.push((name.clone(), is));
            }
        }
        rates
    }
}
