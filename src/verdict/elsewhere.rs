//! The sessions of other sections with the brokers of the same cluster.

use std::{collections::BTreeMap, sync::Arc};

use super::history::History;
use crate::{
    cluster::{
        metadata,
        sections::{LastSession, Section},
    },
    diagnosis::{Elsewhere, OtherCluster},
    kafka::BrokerId,
};

/// What this section publishes for the others. `None` before the metadata, and if Kafka sends no id of the cluster.
pub(super) fn section(
    metadata: Option<&metadata::Snapshot>,
    histories: &BTreeMap<BrokerId, History>,
) -> Option<Section> {
    let metadata = metadata?;
    let session = |(id, broker): (&BrokerId, &crate::kafka::admin::Broker)| {
        let (at, opened, failures) = histories.get(id)?.last()?;
        Some((*id, LastSession { host: broker.host.clone(), port: broker.port, at, opened, failures }))
    };
    let brokers = metadata.brokers.iter().filter_map(session).collect();
    Some(Section { cluster_id: metadata.cluster_id.clone()?, brokers })
}

/// The last sessions of other sections with the brokers of these metadata, at addresses that this section does not use. Of
/// several sections the one counts that opened a session last.
pub(super) fn elsewhere(
    metadata: Option<&metadata::Snapshot>,
    sections: &[(String, Arc<Section>)],
) -> BTreeMap<BrokerId, Elsewhere> {
    let mut found: BTreeMap<BrokerId, Elsewhere> = BTreeMap::new();
    for (id, broker) in metadata.into_iter().flat_map(|metadata| &metadata.brokers) {
        let sessions = sections.iter().filter_map(|(name, section)| {
            let session = section.brokers.get(id)?;
            let is_other = (&session.host, session.port) != (&broker.host, broker.port);
            let LastSession { at, opened, .. } = *session;
            is_other.then(|| Elsewhere { section: name.clone(), at, opened })
        });
        found.extend(
            sessions.max_by_key(|session| (session.opened.is_some(), session.at)).map(|last| (*id, last)),
        );
    }
    found
}

/// The last sessions with other clusters. A cluster without a session is absent.
pub(super) fn other_clusters(sections: Vec<(String, Arc<Section>)>) -> BTreeMap<String, OtherCluster> {
    let last = |(name, section): (String, Arc<Section>)| {
        let at = section.brokers.values().map(|session| session.at).max()?;
        let opened = section.brokers.values().filter_map(|session| session.opened).min();
        Some((name, OtherCluster { at, opened }))
    };
    sections.into_iter().filter_map(last).collect()
}
