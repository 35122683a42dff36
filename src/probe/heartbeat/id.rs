//! The id of a heartbeat within one run of the service.

/// The name of one heartbeat of this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeartbeatId {
    /// The partition that the heartbeat is sent to.
    pub partition: i32,
    /// The number of the heartbeat on its partition: the first is 0, and there are no gaps.
    pub sequence: u64,
}
