//! Measures, as a client, whether a Kafka cluster works for the people who depend on it.
//!
//! Tasks query the cluster and publish immutable snapshots on a [`board`]. The latest snapshots are rendered as series,
//! pages and JSON. Nothing flows back, and clusters share nothing. The modules are in reading order: each module up to
//! `http` names only modules before it, and the modules after `http` wire everything together.

pub mod clock;
mod closed_enum;
pub mod exit;
mod sync;
pub mod text;

pub mod catalog;
pub mod config;

pub mod kafka;

pub mod latency;
pub mod task;

pub mod cluster;
pub mod probe;

pub mod collect;
pub mod timelag;

pub mod evaluate;
pub mod store;

pub mod monitor;
pub mod verdict;

pub mod board;

pub mod metrics;

pub mod export;

pub mod http;

pub mod process;
pub mod push;
pub mod refusals;
pub mod supervisor;

#[cfg(feature = "fuzzing")]
pub mod fuzz;

pub mod acls;
pub mod app;
pub mod certificates;
pub mod demo;
pub mod healthcheck;
pub mod oneshot;
pub mod slo;

pub mod cli;
pub mod logs;
