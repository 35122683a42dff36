//! The accounting of one mirror: each heartbeat that the source acknowledged has exactly one outcome in the target.
//!
//! `expected = outcomes + in flight` holds after every event. The ledger reads no clock and does no I/O.

mod book;
mod state;
#[cfg(test)]
mod tests;

pub(super) use state::{Ledger, Place, Settings};
