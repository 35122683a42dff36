//! What the facts mean: lag, states of groups, odd traffic, and events. Pure: nothing is asked here.

pub mod events;
pub mod groups;
pub mod judge;
pub mod lag;
