//! Consumer groups: which exist, their committed offsets, and their members.

mod asked;
mod known;
mod listed;

pub(crate) use asked::Commits;
pub(crate) use known::{Known, WatchedGroups};
