//! The exit codes of the program. They follow `sysexits.h`, where it has a code.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The command found something that is not well: a bad heartbeat, a failed health check, a closed gate, a source of a report
    /// that cannot be read, a topic that cannot be created or changed.
    Unavailable = 69,
    /// This program has a bug, or the machine refuses what every program needs.
    Internal = 70,
    /// The port of `[http] listen` is taken.
    Port = 71,
    /// The configuration cannot be used.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
