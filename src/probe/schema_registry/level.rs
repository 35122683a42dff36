//! The compatibility level of a subject.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// A compatibility level that the probe sets. `NONE` is not among them: some registries delete their entry for it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Level {
        Backward = "BACKWARD",
        BackwardTransitive = "BACKWARD_TRANSITIVE",
        Forward = "FORWARD",
        ForwardTransitive = "FORWARD_TRANSITIVE",
        Full = "FULL",
        FullTransitive = "FULL_TRANSITIVE",
    }
}

impl Level {
    /// The level that the probe sets after the level with this name. Several instances may set levels of the same subject: with six
    /// levels in a fixed order, a level that another instance set meanwhile is not taken for the former one.
    pub(super) fn after(name: Option<&str>) -> Self {
        let at = Self::ALL.iter().position(|level| Some(level.as_str()) == name);
        at.map_or(Level::Backward, |at| Self::ALL[(at + 1) % Self::ALL.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_after_a_level_is_always_another_one() {
        let mut name = None;
        let mut seen = Vec::new();
        for _ in Level::ALL {
            let level = Level::after(name);
            assert_ne!(Some(level.as_str()), name);
            seen.push(level);
            name = Some(level.as_str());
        }
        assert_eq!(seen, Level::ALL);
        assert_eq!([Level::after(name), Level::after(Some("NONE"))], [Level::Backward; 2]);
    }
}
