//! What survives a restart: one SQLite file for all clusters, written after a look, never on the path of an answer.
//!
//! A file that is damaged, or of a newer program, is set aside under another name and never deleted. Without
//! a file, or when it cannot be written, histories live in memory alone.

mod database;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub mod import;
mod tables;

pub use database::Store;
pub use file::Unsaved;
pub(crate) use tables::Changes;
