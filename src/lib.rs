//! Measures, as a client, whether a Kafka cluster works for the people who depend on it.
//!
//! Tasks query the cluster and publish immutable snapshots on a [`board`]. The latest snapshots are rendered as series,
//! pages and JSON. Nothing flows back, and clusters share nothing. The modules are in reading order: each module up to
//! `push` names only modules before it, and the modules after `push` wire everything together.

mod backoff;
pub mod clock;
mod closed_enum;
pub mod exit;
mod files;
mod newest;
mod sync;
pub mod text;
mod tls;

pub mod catalog;
pub mod config;
pub mod logs;
pub mod slo;

pub mod acls;
pub mod latency;

pub mod kafka;

pub mod healthcheck;
pub mod rest;

pub mod ha;
pub mod task;

pub mod certificates;
pub mod process;

pub mod cluster;
pub mod probe;

pub mod collect;
pub mod timelag;

pub mod evaluate;
pub mod store;

pub mod diagnosis;
pub mod monitor;

pub mod verdict;

pub mod availability;

pub mod report;

pub mod gate;

pub mod board;
pub mod boards;
pub mod refusals;
pub mod supervisor;

pub mod metrics;

pub mod export;
pub mod http;

pub mod push;

pub mod app;
pub mod cli;
pub mod demo;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
pub mod oneshot;
