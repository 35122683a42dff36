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

/// The exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

/// Every exit code with its meaning, as the documents describe it.
pub const MEANINGS: [(u8, &str); 6] = [
    (Exit::Ok as u8, "The service was stopped by a signal, or all is well."),
    (USAGE, "The command line is wrong."),
    (
        Exit::Unavailable as u8,
        "Not well: a heartbeat or a session of a probe failed, a health check failed, a gate stayed closed, a source of a report \
         cannot be read, or a topic cannot be read or put right.",
    ),
    (
        Exit::Internal as u8,
        "A defect of this program, a task that ended, or a second signal during the stop.",
    ),
    (Exit::Port as u8, "The service cannot listen, most often because the port is taken."),
    (
        Exit::Config as u8,
        "The configuration cannot be used. All its errors are reported at once, with their lines.",
    ),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
