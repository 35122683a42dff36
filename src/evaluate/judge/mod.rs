//! What is to be made of the numbers: who is alive, who gets on, and which traffic is odd.
//!
//! Judged after every look, from what that look saw and what is remembered. Nothing is asked here, and what could not
//! be asked changes no judgement.

mod anomaly;
mod deleted;
mod flow;
mod groups;
mod kept;
mod moment;
mod progress;
mod row;
mod status;
#[cfg(test)]
mod tests;
mod traffic;

pub(crate) use anomaly::Baseline;
pub use anomaly::{Kind, Rate};
#[cfg(feature = "fuzzing")]
pub(crate) use groups::fuzz;
pub(crate) use groups::{Changes, Judge, Seen, Transition};
pub use groups::{Group, Judged, Topic};
pub(crate) use moment::Moment;
pub use progress::Verdict;
pub(crate) use row::{BaselineRow, Kept, LifeRow};
pub(crate) use status::Life;
pub use status::Status;
