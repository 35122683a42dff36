//! Where a value of the configuration was set.

use std::fmt;

/// The source of a value, as error messages and `--print-config` name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The default, in this line of `config.example.ini`.
    Default { line: usize },
    /// A line of the user's file.
    File { name: String, line: usize },
    /// The environment variable with this name.
    Environment(String),
    /// The flag of the command line, such as `--listen`.
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { line } => write!(f, "config.example.ini:{line}"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}
