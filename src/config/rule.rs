//! A rule that several keys of a section have to keep together.

/// A rule that the settings of a cluster break.
#[derive(Debug)]
pub(super) struct BrokenRule {
    /// The keys that the rule is about. The first of them that is not a default is the place of the error.
    pub(super) keys: &'static [&'static str],
    /// What is wrong, with the names of the keys.
    pub(super) message: String,
}

impl BrokenRule {
    pub(super) fn new(keys: &'static [&'static str], message: impl Into<String>) -> Self {
        Self { keys, message: message.into() }
    }
}
