//! State that survives a restart: one SQLite file for all clusters. It is written after a collection cycle, the
//! samples of the durability audit after a cycle of the audit, and no HTTP answer waits for it.
//!
//! A file that is damaged, or that a newer version of the program wrote, is set aside under another name and never
//! deleted. Without a file, or while the file cannot be written, histories are only in memory.

mod archive;
mod availability;
mod database;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub mod import;
mod samples;
mod tables;

pub use archive::{Archived, Unreadable, read_archive};
pub use availability::{IncidentRow, IntervalRow, Kept};
pub use database::Store;
pub use file::Unsaved;
pub use samples::KeptSamples;
pub(crate) use tables::Changes;
