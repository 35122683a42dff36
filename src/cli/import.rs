//! `import` and `import-history`: take over the configuration of an older program, and the database of another monitor.

use std::path::Path;

use super::{
    configuration::refuse,
    terminal::{complain, say},
};
use crate::{
    config::{self, Imported as Configuration, Tool},
    exit::Exit,
    files,
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

/// Prints the configuration of an older program as one of this program, and reports what has no equivalent here.
pub(super) fn import_configuration(file: &Path, from: Option<Tool>) -> Exit {
    let name = file.display().to_string();
    let text = match files::read_text(file) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("{name}: cannot read the file: {error}"));
            return Exit::Config;
        }
    };
    match config::import(&name, &text, from) {
        Ok(Configuration { text, notes }) => {
            say(&text);
            notes.iter().for_each(|note| complain(note));
            Exit::Ok
        }
        Err(errors) => refuse(errors),
    }
}
