//! What is asked of the cluster from a client's seat, one file a question.

pub mod connectivity;
pub mod heartbeat;
pub mod topic;
