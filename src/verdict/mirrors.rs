//! Mirrors whose heartbeats do not arrive in time, as facts for the diagnosis.

use std::collections::BTreeMap;

use crate::{diagnosis::Mirror, probe::mirrors::Snapshot, task::Latest};

/// The mirrors whose heartbeats do not arrive by their deadline although the target is read. Others are absent.
pub(super) fn mirrors(latest: &Latest<Snapshot>) -> BTreeMap<String, Mirror> {
    let Some(snapshot) = latest.fresh() else { return BTreeMap::new() };
    let behind = snapshot.mirrors.iter().filter_map(|(name, mirror)| {
        let (overdue, oldest) = (mirror.overdue?, mirror.oldest_overdue?);
        let found = Mirror {
            source: mirror.source.to_string(),
            overdue,
            oldest,
            source_suspects: mirror.source_suspects.clone(),
        };
        Some((name.to_string(), found))
    });
    behind.collect()
}
