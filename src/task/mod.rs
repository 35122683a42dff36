//! The loop that runs every periodic task.
//!
//! A task implements [`Cycle`]; [`run`] does what all of them need: tick, deadline, panic guard,
//! counting, logging, publishing, stopping. So no task can lack a timeout or a counter. A failed
//! cycle leaves the previous snapshot with its age; a snapshot older than three intervals is not used
//! any more ([`Latest::fresh`]). A task that needs a permit waits while another instance has it.

mod cycle;
mod latest;

pub use cycle::{Cycle, Schedule, run, within};
pub use latest::{Ending, Failure, Latest, Polls, Record};
