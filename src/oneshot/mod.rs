//! `probe` and `topic`: short runs of the service's own tasks, for a terminal or a script.
//!
//! Nothing is measured in another way than by the service. Reports go to standard output, everything else to standard error.

mod json;
mod probe;
mod report;
mod text;
mod topic;

pub use self::{
    probe::{Format, ProbeOrder, probe},
    topic::{Changes, assure_topic},
};
