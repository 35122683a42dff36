//! Whether the cluster refuses what it should refuse: sessions without a login, with a wrong password or without TLS, and the
//! use of topics that the principal should not use.
//!
//! - `probe` is the task: it tries everything at each broker.
//! - `attempt` is the list of what is tried, and how a broker answers.
//! - `state` remembers the answers, and notes when something is accepted that was not accepted before.
//! - `snapshot` is what the task publishes.

mod attempt;
mod probe;
mod snapshot;
mod state;

pub use attempt::{Answer, Attempt, Check};
pub use probe::Probe;
pub use snapshot::{Acceptance, Acceptances, Snapshot};
