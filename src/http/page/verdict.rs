//! The states of a cluster in words and shapes.

use crate::verdict::State;

/// How grave a state is; a graver state has a higher number.
pub(super) fn gravity(state: State) -> u8 {
    match state {
        State::Ok => 0,
        State::Unknown => 1,
        State::Degraded => 2,
        State::ProberFault => 3,
        State::Down => 4,
    }
}

/// A state in words, for the heading of the page and the title of the browser's tab.
pub(super) fn title(state: State) -> &'static str {
    match state {
        State::Ok => "Kafka works",
        State::Degraded => "Kafka is degraded",
        State::Down => "Kafka is down",
        State::ProberFault => "This prober cannot measure",
        State::Unknown => "Not known yet",
    }
}

/// The shape of a state. Each state has a shape of its own, because not every operator can tell the colours apart.
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
