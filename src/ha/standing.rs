//! What an instance may do now.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use crate::closed_enum::closed_enum;

closed_enum! {
    /// The part of this instance among all instances.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Role {
        /// There is no election: this instance collects, whatever others do.
        Alone = "alone",
        /// This instance was elected, and collects.
        Leader = "leader",
        /// Another instance collects, or it is not known yet which one.
        Standby = "standby",
        /// No leader could be found for a minute, so each instance collects.
        Leaderless = "leaderless",
    }
}

/// Some of the clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every cluster.
    All,
    /// The clusters with these names.
    Named(BTreeSet<String>),
}

impl Scope {
    /// No cluster.
    pub fn none() -> Self {
        Scope::Named(BTreeSet::new())
    }

    /// Whether the cluster with this name is among them.
    pub fn has(&self, cluster: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Named(names) => names.contains(cluster),
        }
    }

    /// Whether there is no cluster among them.
    pub fn is_empty(&self) -> bool {
        matches!(self, Scope::Named(names) if names.is_empty())
    }
}

/// What this instance may do, and what it knows of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The part of this instance.
    pub role: Role,
    /// The clusters that this instance collects.
    pub collects: Scope,
    /// When the collection must have ended, unless the standing is renewed. `None` if it has no end.
    pub until: Option<Instant>,
    /// The instance that collects, by cluster; the key is [`EVERY_CLUSTER`] where one instance collects all of them. Empty if no
    /// leader is known.
    pub leaders: BTreeMap<String, String>,
}

/// Stands for every cluster where one instance collects all of them. No cluster can have this name.
pub const EVERY_CLUSTER: &str = "*";

impl Standing {
    /// There is no election.
    pub fn alone() -> Self {
        Self { role: Role::Alone, collects: Scope::All, until: None, leaders: BTreeMap::new() }
    }

    /// No leader is known, and this instance collects nothing.
    pub fn unknown() -> Self {
        Self { role: Role::Standby, collects: Scope::none(), until: None, leaders: BTreeMap::new() }
    }

    /// No leader could be found, so that each instance collects.
    pub fn leaderless() -> Self {
        Self { role: Role::Leaderless, collects: Scope::All, until: None, leaders: BTreeMap::new() }
    }

    /// This instance collects every cluster until then.
    pub fn leading(instance: &str, until: Instant) -> Self {
        let leaders = BTreeMap::from([(EVERY_CLUSTER.to_owned(), instance.to_owned())]);
        Self { role: Role::Leader, collects: Scope::All, until: Some(until), leaders }
    }

    /// Another instance collects every cluster.
    pub fn following(leader: String) -> Self {
        let leaders = BTreeMap::from([(EVERY_CLUSTER.to_owned(), leader)]);
        Self { leaders, ..Self::unknown() }
    }

    /// Whether this instance may collect the cluster at this time.
    pub fn collects_at(&self, cluster: &str, now: Instant) -> bool {
        self.collects.has(cluster) && self.until.is_none_or(|until| now < until)
    }

    /// The instance that collects the cluster. `None` if no leader is known.
    pub fn leader_of(&self, cluster: &str) -> Option<&str> {
        self.leaders.get(cluster).or_else(|| self.leaders.get(EVERY_CLUSTER)).map(String::as_str)
    }

    /// The part of this instance at this time: a leader whose time has passed is a standby.
    pub fn role_at(&self, now: Instant) -> Role {
        match self.role {
            Role::Leader if self.until.is_some_and(|until| now >= until) => Role::Standby,
            role => role,
        }
    }
}
