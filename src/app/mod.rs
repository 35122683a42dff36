//! Builds everything, binds, spawns, waits, drains: the picture of the data flow.
//!
//! HTTP comes first: `/metrics` answers before Kafka is contacted. A cluster is one set of tasks and one board; clusters
//! share nothing but the process. A task may fail again and again, but a task may not end: the first task that ends stops
//! everything, and the process exits with 70.

mod checked;
mod cluster;
mod directory;
mod election;
mod history;
mod listener;
mod reload;
mod server;
mod service;
mod signals;
mod starter;

pub use self::{
    checked::{Checked, ReadConfig, check},
    cluster::{Running, Shared},
    election::check as check_election,
    listener::listen,
    service::run,
};
