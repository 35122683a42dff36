//! All readings of a cluster in one word, with the reason and since when.

use std::time::SystemTime;

/// The state of a cluster as its clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Every recent heartbeat was good.
    Ok,
    /// Some heartbeats, brokers or duties fail.
    Degraded,
    /// No heartbeat gets through.
    Down,
    /// We stall ourselves; nothing is said of Kafka.
    ProberFault,
    /// Nothing judged yet.
    Unknown,
}

impl State {
    /// The state as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::Down => "down",
            State::ProberFault => "prober_fault",
            State::Unknown => "unknown",
        }
    }
}

/// A state, why, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// One sentence fragment a reason, the gravest first; empty when ok. Hostile text may be inside.
    pub reasons: Vec<String>,
    /// Since when the state has held.
    pub since: SystemTime,
}
