//! The JSON API: everything that the page shows, for programs.
//!
//! Durations are in seconds, instants are RFC 3339 in UTC, and a value that is not known is null. Only the events use
//! milliseconds since 1970, because Grafana does.

mod answer;
mod asked;
mod brokers;
mod cc_heartbeat;
mod cluster;
mod diagnosis;
mod document;
mod durability;
mod events;
mod fields;
mod gate;
mod groups;
mod heartbeats;
mod history;
mod query;
mod report;
mod slo;
mod status;
mod topics;

pub(super) use asked::Asked;
pub(super) use brokers::brokers;
pub(super) use cc_heartbeat::{consumer_groups, heartbeat_topic, leader};
pub(super) use cluster::cluster;
pub(super) use diagnosis::diagnosis;
pub(super) use document::{openapi, operation, parameters};
pub(super) use durability::durability;
pub(super) use events::events;
pub(super) use fields::select;
pub(super) use gate::gate;
pub(super) use groups::groups;
pub(super) use heartbeats::heartbeats;
pub(super) use history::history;
pub(super) use query::ClusterQuery;
pub(super) use report::last_report;
pub(super) use slo::slo;
pub(super) use status::status;
pub(super) use topics::topics;
