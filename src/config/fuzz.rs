//! Entry point for fuzzing: a configuration file.

use std::collections::BTreeMap;

use super::{file::File, ini, load, sources::Sources};

/// Reads a text as a configuration file, and prints all errors and what was understood.
pub(crate) fn file(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for entry in ini::parse(text).entries {
        assert!(entry.line >= 1 && !entry.key.is_empty() && !entry.section.is_empty());
    }
    // The name of a listener would be resolved, and a file of a secret would be opened. Neither decodes bytes.
    if text.contains("listen") || text.contains(".file") {
        return;
    }
    let env = BTreeMap::from([("A".to_owned(), "x".to_owned()), ("EMPTY".to_owned(), String::new())]);
    let file = File { name: "config.ini", text };
    let (config, errors) = load::read_text(Some(file), &Sources { env, ..Sources::default() });
    _ = (config.listing().len(), errors.to_string());
}
