//! The states of a cluster in words and shapes.

use crate::verdict::State;

/// The graver, the higher.
pub(super) fn gravity(state: State) -> u8 {
    match state {
        State::Ok => 0,
        State::Unknown => 1,
        State::Degraded => 2,
        State::ProberFault => 3,
        State::Down => 4,
    }
}

/// A state in words, for the head of the page and of the browser's tab.
pub(super) fn title(state: State) -> &'static str {
    match state {
        State::Ok => "Kafka works",
        State::Degraded => "Kafka is degraded",
        State::Down => "Kafka is down",
        State::ProberFault => "This prober cannot measure",
        State::Unknown => "Not known yet",
    }
}

/// Another shape for each state: colour alone does not tell everybody.
pub(super) fn mark(state: State) -> &'static str {
    match state {
        State::Ok => "●",
        State::Degraded => "▲",
        State::Down => "■",
        State::ProberFault => "◆",
        State::Unknown => "○",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_shape_of_its_own() {
        let states = [State::Ok, State::Degraded, State::Down, State::ProberFault, State::Unknown];
        let marks: std::collections::BTreeSet<_> = states.into_iter().map(mark).collect();
        assert_eq!(marks.len(), states.len());
    }
}
