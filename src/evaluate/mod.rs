//! Evaluates what a cycle has read: lag, status of groups, unusual traffic, and events. Pure: no request is sent here.

pub mod events;
pub mod groups;
pub mod judge;
pub mod lag;
pub mod rebalances;
