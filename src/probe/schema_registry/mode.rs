//! The mode of a registry.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// The mode of a registry, as one of its nodes reports it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Mode {
        /// Schemas can be read and registered.
        ReadWrite = "readwrite",
        /// Nothing can be written.
        ReadOnly = "readonly",
        /// Nothing can be written, whatever the mode of a subject is.
        ReadOnlyOverride = "readonly_override",
        /// Schemas can be registered with their ids.
        Import = "import",
        /// Requests are forwarded to another registry.
        Forward = "forward",
        /// A mode that this program does not know.
        Other = "other",
    }
}

impl Mode {
    /// The mode with this name.
    pub(super) fn named(name: &str) -> Self {
        let name = name.to_lowercase();
        Self::ALL.into_iter().find(|mode| mode.as_str() == name).unwrap_or(Mode::Other)
    }

    /// Whether the registry refuses writes in this mode. That is the wish of an operator, and no fault.
    pub fn forbids_writes(self) -> bool {
        matches!(self, Mode::ReadOnly | Mode::ReadOnlyOverride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_is_read_as_the_registry_writes_it() {
        assert_eq!(
            ["READWRITE", "READONLY_OVERRIDE", "<b>"].map(Mode::named),
            [Mode::ReadWrite, Mode::ReadOnlyOverride, Mode::Other]
        );
        assert!(Mode::ReadOnly.forbids_writes() && !Mode::Import.forbids_writes());
    }
}
