//! `probe` and `topic`, short runs of the service's own tasks, `gate`, which asks a running service, and `report`, which reads what
//! was measured: for a terminal or a script.
//!
//! Nothing is measured in another way than by the service. Reports go to standard output, everything else to standard error.

mod client;
pub mod gate;
mod json;
mod monthly;
mod probe;
mod report;
mod text;
mod topic;

pub use self::{
    monthly::{MonthOrder, Unmade, month},
    probe::{Format, ProbeOrder, probe},
    topic::{Changes, assure_topic},
};
