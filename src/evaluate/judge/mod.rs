//! Judgements on consumer groups and topics: the status and the verdict of each group, and unusual traffic.
//!
//! Each collection cycle ends with a judgement, made from the cycle's view of the cluster and from what earlier cycles
//! saw. This folder sends no request to a broker. A value that could not be read in a cycle changes no judgement.

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
pub(crate) use groups::{Changes, CycleView, Judge, Transition};
pub use groups::{GroupJudgement, Judgement, TopicJudgement};
pub(crate) use moment::Moment;
pub use progress::Progress;
pub(crate) use row::{BaselineRow, Kept, LifeRow};
pub(crate) use status::Life;
pub use status::Status;
