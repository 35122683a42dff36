//! Consumer groups: which there are, what they have committed, and who is in them.

mod asked;
mod listed;

pub(crate) use asked::{Commits, Watched};
pub(crate) use listed::Known;
