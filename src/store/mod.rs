//! State that survives a restart: one SQLite file for all clusters. It is written after a collection cycle, and no HTTP
//! answer waits for it.
//!
//! A file that is damaged, or that a newer version of the program wrote, is set aside under another name and never
//! deleted. Without a file, or while the file cannot be written, histories are only in memory.

mod database;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub mod import;
mod tables;

pub use database::Store;
pub use file::Unsaved;
pub(crate) use tables::Changes;
