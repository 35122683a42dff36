//! The questions we ask, in Kafka's words.
//!
//! Every function is one question; brokers are asked in parallel where it concerns several. Answers are
//! checked and turned into values here, so that no error code and no −1 leaves this file. Nothing here
//! deletes anything.

mod batch;
mod committed;
mod configs;
mod controller;
mod coordinators;
mod creation;
mod fetch;
mod groups;
mod log_dirs;
mod members;
mod metadata;
mod offsets;
mod pages;
mod protocol;
mod quorum;
mod reassignments;
mod share;
mod topic;
mod transactions;
mod visible;

pub use batch::Batch;
#[cfg(feature = "fuzzing")]
pub(crate) use batch::heads;
pub use committed::{Offsets, group_offsets};
pub use configs::{Policy, alter_topic_configs, policies, topic_configs};
pub use coordinators::coordinators;
pub use creation::{create_partitions, create_topic};
pub use fetch::{PARTITIONS_A_FETCH, batches};
pub use groups::{GroupKind, GroupState, Listed, Listing, list_groups};
pub use log_dirs::{LogDir, log_dirs};
pub use members::{Described, Member, members};
pub use metadata::{Broker, Metadata, Topics, metadata};
pub use offsets::{At, ByLeader, Found, FoundOffsets, TimesByLeader, list_offsets, offsets, offsets_at};
pub use pages::PARTITIONS_A_PAGE;
pub use quorum::{Quorum, describe_quorum};
pub use reassignments::{all_reassignments, elect_preferred, reassign, reassignments};
pub use share::share_offsets;
pub use topic::{Partition, Topic};
pub use transactions::{Transaction, Writer, Writers, transactions, writers};
pub use visible::{Visible, visible};
