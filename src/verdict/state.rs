//! The state of a cluster, with the reasons and since when.

use std::time::SystemTime;

use crate::{closed_enum::closed_enum, diagnosis::Diagnosis, evaluate::events::Events};

closed_enum! {
    /// The state of a cluster as its clients see it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// Every recent heartbeat was good.
        Ok = "ok",
        /// Some heartbeats fail, a broker or a replica is missing, or the heartbeat topic is not ready.
        Degraded = "degraded",
        /// No heartbeat gets through.
        Down = "down",
        /// The process of the service stalls, has no file descriptor left or has no valid token to log
        /// in with. Its measurements say nothing about Kafka.
        ProberFault = "prober_fault",
        /// No heartbeat was judged yet, or none within the window.
        Unknown = "unknown",
    }
}

/// The verdict on a cluster: its state, the reasons and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// The reasons, each a sentence without a capital letter and a full stop, the gravest first. Empty if the state is ok.
    /// A reason may contain text that a broker sent.
    pub reasons: Vec<String>,
    /// Since when the state has held.
    pub since: SystemTime,
    /// Which component is to blame. Absent before the first diagnosis.
    pub diagnosis: Option<Diagnosis>,
    /// When a suspect became likely, and when it was cleared, the oldest first.
    pub events: Events,
}

impl Verdict {
    /// The verdict before anything was judged.
    pub fn unknown() -> Self {
        Self {
            state: State::Unknown,
            reasons: vec!["nothing judged yet".to_owned()],
            since: SystemTime::now(),
            diagnosis: None,
            events: Events::default(),
        }
    }
}
