//! Entry point for fuzzing: a configuration file.

use std::collections::BTreeMap;

use super::{Sources, ini, load};

/// Reads a text as a configuration file, with everything that is wrong with it, and prints what was understood.
pub(crate) fn file(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for entry in ini::parse(text).0 {
        assert!(entry.line >= 1 && !entry.key.is_empty() && !entry.section.is_empty());
    }
    // The name of a listener would be looked up, and a file would be opened: neither decodes anything.
    if text.contains("listen") || text.contains(".file") {
        return;
    }
    let env = BTreeMap::from([("A".to_owned(), "x".to_owned()), ("EMPTY".to_owned(), String::new())]);
    let (config, errors) =
        load::read_text(Some(("config.ini", text)), &Sources { env, ..Sources::default() });
    _ = (config.redacted(), errors.to_string());
}
