//! What each section of the configuration knows of the brokers that it connects to.
//!
//! A section connects to one listener of a cluster. If two sections connect to the same cluster over different listeners, the
//! sessions of one section show whether a broker has failed, or only the listener of the other section.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use crate::{kafka::BrokerId, sync::lock};

/// How the last session of a section with a broker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSession {
    /// The advertised host. The text may be hostile.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The end of the session.
    pub at: SystemTime,
    /// Since when sessions have been opened. `None` if the last one failed.
    pub opened: Option<SystemTime>,
    /// The number of sessions in a row that failed; zero if the session was opened.
    pub failures: u32,
}

/// What one section knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Kafka's id of the cluster.
    pub cluster_id: String,
    /// The last session with each broker.
    pub brokers: BTreeMap<BrokerId, LastSession>,
}

/// What all sections know, by the names of the sections. All clusters of the process share it.
#[derive(Debug, Clone, Default)]
pub struct Sections(Arc<Mutex<BTreeMap<String, Arc<Section>>>>);

impl Sections {
    /// Replaces what the section of this name knows. `None` removes the section.
    pub fn publish(&self, name: &str, section: Option<Section>) {
        let mut sections = lock(&self.0);
        match section {
            Some(section) => sections.insert(name.to_owned(), Arc::new(section)),
            None => sections.remove(name),
        };
    }

    /// What the other sections for the same cluster know, each with its name. Empty if the section of this name is not known.
    pub fn others(&self, name: &str) -> Vec<(String, Arc<Section>)> {
        self.select(name, |own, other| own.cluster_id == other.cluster_id)
    }

    /// What the sections for other clusters know, each with its name. Empty if the section of this name is not known.
    pub fn other_clusters(&self, name: &str) -> Vec<(String, Arc<Section>)> {
        self.select(name, |own, other| own.cluster_id != other.cluster_id)
    }

    fn select(&self, name: &str, takes: impl Fn(&Section, &Section) -> bool) -> Vec<(String, Arc<Section>)> {
        let sections = lock(&self.0);
        let Some(own) = sections.get(name) else { return Vec::new() };
        let others = sections.iter().filter(|(other, section)| *other != name && takes(own, section));
        others.map(|(name, section)| (name.clone(), section.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sections_for_the_same_cluster_are_other_sections() {
        let section = |id: &str| Section { cluster_id: id.to_owned(), brokers: BTreeMap::new() };
        let shared = |id: &str| Arc::new(section(id));
        let sections = Sections::default();
        for (name, id) in [("a", "one"), ("b", "one"), ("c", "two")] {
            sections.publish(name, Some(section(id)));
        }
        assert_eq!(sections.others("a"), [("b".to_owned(), shared("one"))]);
        assert_eq!(sections.others("c"), []);
        assert_eq!(sections.other_clusters("a"), [("c".to_owned(), shared("two"))]);
        assert_eq!(sections.other_clusters("c").len(), 2);
        assert_eq!(sections.others("d"), []);
        sections.publish("b", None);
        assert_eq!(sections.others("a"), []);
    }
}
