//! Whether the traffic of topics is as usual, look by look.

use std::{collections::BTreeMap, sync::Arc, time::UNIX_EPOCH};

use super::{
    anomaly::{self, Rate},
    groups::{Changes, Judge, Seen},
};
use crate::config;

/// What is usual on a topic is forgotten after so many looks without it: who is away for an hour may come back.
const GONE: u32 = 120;

impl Judge {
    /// What is to be made of each topic's traffic.
    pub(crate) fn rates(
        &mut self,
        seen: &Seen<'_>,
        settings: &config::Anomaly,
        changes: &mut Changes,
    ) -> BTreeMap<Arc<str>, Rate> {
        self.traffic.retain(|name, flow| {
            flow.missing = if seen.topics.contains_key(name) { 0 } else { flow.missing.saturating_add(1) };
            let stays = flow.missing < GONE;
            if !stays {
                self.gone.1.push((name.clone(), None));
            }
            stays
        });
        let since = seen.at.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (hour, _) = anomaly::hour(since.as_secs());
        let mut rates = BTreeMap::new();
        for (name, topic) in seen.topics {
            let known = self.traffic.entry(name.clone()).or_default();
            let before = known.appended.replace(topic.appended);
            let more = before.and_then(|before| topic.appended.checked_sub(before));
            match more.filter(|_| topic.rate.is_some()) {
                Some(records) => known.changed |= known.traffic.add(seen.at.own, hour, records),
                // It was not asked, or is another one.
                None => known.traffic.pause(seen.at.own),
            }
            let was = known.traffic.odd();
            if let Some(rate) = known.traffic.judge(since.as_secs(), settings) {
                rates.insert(name.clone(), rate);
            }
            let is = known.traffic.odd();
            if was != is {
                known.changed = true;
                changes.traffic.push((name.clone(), is));
            }
        }
        rates
    }
}
