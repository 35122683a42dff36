//! Which component is to blame, with the evidence: a pure function of what is known at one moment.
//!
//! A [`Scene`] holds what the tasks found. The rules turn it into suspects, in a fixed order: a rule explains symptoms away from
//! the rules after it, and a symptom that no rule explains is reported as such. The [`Diagnostician`] remembers since when
//! each suspect has been suspected, and how sure it is. Nothing here reads a clock or asks a broker.

mod access;
mod brokers;
mod diagnostician;
mod finding;
mod open;
mod rules;
mod scene;
mod suspect;
#[cfg(test)]
mod tests;

pub use self::{
    diagnostician::Diagnostician,
    scene::{Broker, Coordinators, Failure, Partition, Scene, Session, Trouble},
    suspect::{Confidence, Diagnosis, Kind, Suspect},
};
