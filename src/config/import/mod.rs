//! Configurations of older programs, written again as a configuration of this one.
//!
//! Each program has a file here, which takes each value of a configuration and puts it into the output.
//! What has no equivalent stays in the output as a comment with the reason.

mod cc_heartbeat;
mod command_line;
mod env_file;
mod expression;
mod freshness_exporter;
mod item;
mod klag_cluster;
mod klag_exporter;
mod monitoring_solution;
mod output;
mod run;
mod time_lag_monitor;
mod toml;
mod tool;
mod variables;
mod yaml;

pub use run::{Imported, import};
pub use tool::Tool;
