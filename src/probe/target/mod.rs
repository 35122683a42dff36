//! `GET /probe`: checks a broker that a request names, with the settings of a module of the configuration.
//!
//! A probe is never a relay: only addresses that the module allows are contacted, also where the metadata of a broker lists
//! others. Each probe has a deadline, and ends when nobody waits for it any more.
//!
//! - `address` is the address of a target, in one spelling.
//! - `check` opens the session, stage by stage, and `brokers` opens one with each broker of the metadata.
//! - `report` is what a probe found.
//! - `modules` holds the modules and limits the number of probes. `renewal` watches their files.

mod address;
mod brokers;
mod check;
mod modules;
mod renewal;
mod report;

pub use modules::{MAX_PROBES, Modules, Refusal};
pub use renewal::renew_files;
pub use report::{BrokerCheck, Described, Failure, NotChecked, ProbeStage, Report};
