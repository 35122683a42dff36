//! The requests of the wire client, in Kafka's words. Each file holds the requests of one subject.
//!
//! Each function sends one kind of request. If a request concerns several brokers, it goes to all of them in parallel.
//! Responses are checked and turned into values here, so that no error code and no −1 leaves this folder. An absent value
//! is `None`. Most requests only read. `creation`, `reassignments` and `configs` also change topics, for topic assurance
//! alone. `commits` commits offsets for groups of the service's own, and `producers` takes producer ids for transactional ids of
//! its own. `membership` makes this client a member of a group. No request deletes anything.

mod batch;
mod commits;
mod committed;
mod configs;
mod controller;
mod coordinators;
mod creation;
mod fetch;
mod groups;
mod log_dirs;
mod members;
mod membership;
mod metadata;
mod offsets;
mod pages;
mod producers;
mod protocol;
mod quorum;
mod read_committed;
mod read_records;
mod reassignments;
mod replica;
mod share;
mod share_messages;
mod topic;
mod topic_operations;
mod transactions;
mod visible;

#[cfg(feature = "fuzzing")]
pub(crate) use batch::batch_headers;
pub use batch::{BatchHeader, RecordAt, StoredBatch};
pub use commits::{Commit, ReadBack, commit_offset, read_commits};
pub use committed::{CommittedOffsets, group_offsets};
pub use configs::{Policy, alter_topic_configs, policies, topic_configs};
pub use coordinators::{Coordinated, coordinators};
pub use creation::{create_partitions, create_topic};
pub use fetch::{PARTITIONS_PER_FETCH, fetch_batch_headers};
pub use groups::{GroupKind, GroupListing, GroupState, ListedGroup, list_groups};
pub use log_dirs::{LogDir, log_dirs};
pub use members::{Described, GroupsByCoordinator, Member, members};
pub use membership::{
    Generation, Group, Membership, Said, group_heartbeat, join_group, leave_group, sync_group,
};
pub use metadata::{Broker, Metadata, Topics, brokers_of_broker, metadata, metadata_of_broker};
pub use offsets::{
    ByLeader, FoundOffset, FoundOffsets, OffsetSpec, TimesByLeader, is_leader, list_offsets, offsets,
    offsets_at,
};
pub use pages::PARTITIONS_PER_PAGE;
pub use producers::init_producer_id;
pub use quorum::{Quorum, Voters, describe_quorum};
pub use read_committed::{CommittedRecord, read_committed};
pub use read_records::{Found, ReadAt, ReadLog, read_records};
pub use reassignments::{all_reassignments, elect_preferred, reassign, reassignments};
pub use replica::read_replica;
pub use share::{ShareLags, ShareOffsets, share_offsets};
pub use topic::{Partition, Topic};
pub use topic_operations::{TopicOperations, topic_operations};
pub use transactions::{
    OpenTransaction, OpenTransactions, Transaction, left_open, open_transactions, transactions,
};
pub use visible::{Visible, visible};
