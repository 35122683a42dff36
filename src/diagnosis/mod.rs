//! Which component is to blame, with the evidence: a pure function of what is known at one moment.
//!
//! A [`Scene`] holds what the tasks found. The rules turn it into suspects, in a fixed order: a rule explains symptoms away from
//! the rules after it, and a symptom that no rule explains is reported as such. The [`Diagnostician`] remembers since when
//! each suspect has been suspected, and how sure it is. Nothing here reads a clock or asks a broker.

mod access;
mod brokers;
mod connect;
mod coordinators;
mod diagnostician;
mod finding;
mod listeners;
mod metadata;
mod mirrors;
mod open;
mod registry;
mod replicas;
mod rules;
mod scene;
mod suspect;
#[cfg(test)]
mod tests;
mod topic;
mod transactions;

pub use self::{
    diagnostician::Diagnostician,
    scene::{
        Broker, Connect, ConnectCluster, Controller, Coordinators, Difference, Elsewhere, Failure, Mirror,
        OtherCluster, Partition, Registry, Replicas, Scene, Session, Transactions, Trouble,
    },
    suspect::{Confidence, Diagnosis, Kind, Suspect},
};
