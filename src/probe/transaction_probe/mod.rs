//! The transaction probe: whether a client can commit and abort transactions, and what consumers of committed records see.
//!
//! In each cycle one record is written in a transaction of librdkafka, which is committed, or now and then aborted. Then the record
//! is read as a consumer of committed records reads: a committed record must become visible, an aborted one must never. The records
//! are in a topic of their own, so that an open transaction holds back no reader of heartbeats and no heartbeat is counted wrongly.
//!
//! - `outcome` lists the steps of a transaction, and how one can end.
//! - `ledger` is pure: it counts each transaction once, and the durations of its steps.
//! - `judge` is pure: what an answer of the leader means for a record.
//! - `exposed` counts aborted records that became visible, and keeps the last one that did not.
//! - `place` is the topic of the records, which is created if it is missing.
//! - `session` is the producer with its transactional id.
//! - `notes` writes the log lines of the task.
//! - `snapshot` is what the task publishes, and `probe` is the task.

mod exposed;
mod judge;
mod ledger;
mod notes;
mod outcome;
mod place;
mod probe;
mod session;
mod snapshot;

pub use exposed::{Exposed, ExposedRecords};
pub use outcome::{Outcome, Step};
pub use probe::{Inputs, Probe};
pub use snapshot::{Counts, Failing, Last, Snapshot};
