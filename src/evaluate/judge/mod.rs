//! What is to be made of the numbers: who is alive, who gets on, and which traffic is odd.
//!
//! Judged after every look, from what that look saw and what is remembered. Nothing is asked here, and what could not
//! be asked changes no judgement.

mod anomaly;
mod deleted;
mod groups;
mod kept;
mod progress;
mod status;
#[cfg(test)]
mod tests;
mod traffic;

pub(crate) use anomaly::Baseline;
pub use anomaly::{Kind, Rate};
#[cfg(feature = "fuzzing")]
pub(crate) use groups::fuzz;
pub(crate) use groups::{Changes, Judge, Kept, Moment, Seen, Transition};
pub use groups::{Group, Judged, Topic};
pub(crate) use kept::{BaselineRow, LifeRow};
pub use progress::Verdict;
pub(crate) use status::Life;
pub use status::Status;
