//! The page: what an operator needs in the first ten seconds.
//!
//! The files here turn readings into words and shapes. The templates only print them, and escape everything. The page
//! works without scripts and loads nothing from other hosts. With scripts its content is replaced once a second.

mod assets;
mod brokers;
mod chart;
mod connect;
mod durability;
mod events;
mod facts;
mod groups;
mod heartbeats;
mod latency;
mod list;
mod mirrors;
mod negative_checks;
mod notices;
mod over_time;
mod overview;
mod remote_reads;
mod rows;
mod schema_registry;
mod strips;
mod suspects;
mod tasks;
mod topics;
mod transactions;
mod verdict;
mod view;
mod words;

pub(super) use assets::{script, style};
pub(super) use list::{ListQuery, groups, topics};
pub(super) use overview::{content, page};
