//! A text that is never printed.

use std::fmt;

/// A password, a token or the secret of a client. Its value is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::kafka) struct Secret(String);

impl Secret {
    pub(in crate::kafka) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(in crate::kafka) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
