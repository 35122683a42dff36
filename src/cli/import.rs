//! `import-history`: takes over the database of another monitor.

use std::path::Path;

use super::terminal::{complain, say};
use crate::{
    exit::Exit,
    store::import::{Imported, import},
};

/// Writes a history file from the database of the time lag monitor, and prints what was taken over.
pub(super) fn import_history(from: &Path, cluster: &str, into: &Path) -> Exit {
    match import(from, cluster, into) {
        Ok(Imported { partitions, statuses, excluded }) => {
            say(&format!("taken over: {partitions} histories, {statuses} statuses\n"));
            if !excluded.is_empty() {
                say(&format!("for the file of [lag] exclude.file:\n{}\n", excluded.join("\n")));
            }
            Exit::Ok
        }
        Err(error) => {
            complain(&error);
            Exit::Config
        }
    }
}
