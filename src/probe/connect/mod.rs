//! The Kafka Connect clusters beside the cluster: whether their workers answer, and the states of their connectors and tasks.
//!
//! Connect reports no failed task as a metric of its own, and no consumer group shows that a source connector has stopped. The REST
//! API of the workers has the states. The probe only sends GET requests. It does not ask for the configurations of connectors, because
//! they hold secrets.
//!
//! - `api` words the requests, and `listing` reads the long answer with a bound for what is kept.
//! - `status` lists the states, `part` is a connector or a task, and `connectors` follows them from one cycle to the next.
//! - `failures` are the newly failed connectors and tasks, as sentences.
//! - `checker` asks one Connect cluster, `snapshot` is what the task publishes, and `probe` is the task.

mod api;
mod checker;
mod connectors;
mod failures;
mod listing;
mod part;
mod probe;
mod snapshot;
mod status;
#[cfg(test)]
mod test_support;

pub use connectors::{Connector, Connectors};
pub use failures::{Failed, Failures};
pub use part::Part;
pub use probe::{Probe, check};
pub use snapshot::{Cluster, Request, Snapshot, State, Worker};
pub use status::{Direction, Status};
