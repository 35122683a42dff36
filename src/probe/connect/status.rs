//! The states of connectors and tasks, and the direction of a connector.

use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

use crate::closed_enum::closed_enum;

closed_enum! {
    /// The state of a connector or of a task, as a worker reports it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Status {
        /// It works.
        Running = "running",
        /// It has ended with an error, and does not start again by itself.
        Failed = "failed",
        /// It was paused by an operator.
        Paused = "paused",
        /// It was stopped by an operator.
        Stopped = "stopped",
        /// No worker runs it.
        Unassigned = "unassigned",
        /// It is being restarted.
        Restarting = "restarting",
        /// A state that this program does not know.
        Other = "other",
    }
}

impl Status {
    /// The state with this name.
    fn named(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(name))
            .unwrap_or(Status::Other)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::named(&Cow::<str>::deserialize(deserializer)?))
    }
}

closed_enum! {
    /// What a connector does.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub enum Direction {
        /// It reads from another system and writes to Kafka.
        Source = "source",
        /// It reads from Kafka and writes to another system.
        Sink = "sink",
        /// The worker does not know the class of the connector.
        #[default]
        Unknown = "unknown",
    }
}

impl<'de> Deserialize<'de> for Direction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Ok(Self::ALL.into_iter().find(|known| known.as_str() == name).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_read_as_the_worker_writes_it() {
        let read = |text: &str| serde_json::from_str::<Status>(text).ok();
        assert_eq!(
            ["\"RUNNING\"", "\"UNASSIGNED\"", "\"DESTROYED\"", "\"<b>\\n\"", "1"].map(read),
            [Some(Status::Running), Some(Status::Unassigned), Some(Status::Other), Some(Status::Other), None]
        );
        let direction = |text: &str| serde_json::from_str::<Direction>(text).ok();
        assert_eq!(
            ["\"sink\"", "\"unknown\"", "\"x\""].map(direction),
            [Some(Direction::Sink), Some(Direction::Unknown), Some(Direction::Unknown)]
        );
    }
}
