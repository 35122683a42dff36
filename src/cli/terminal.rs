//! Standard output and standard error.

use std::io::{self, Write};

/// Writes a text to standard output. A reader that has closed the pipe is no error of this program.
pub(super) fn say(text: &str) {
    _ = io::stdout().write_all(text.as_bytes());
}

/// Writes a text to standard error, with one end of line.
pub(super) fn complain(text: &str) {
    _ = io::stderr().write_all(format!("{}\n", text.trim_end()).as_bytes());
}
