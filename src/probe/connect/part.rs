//! A connector itself, or one of its tasks.

use std::{sync::Arc, time::SystemTime};

use super::status::Status;

/// A connector itself, or one of its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its state.
    pub status: Status,
    /// The name of the worker that runs it. Empty if none does. It may be hostile.
    pub worker: Arc<str>,
    /// The first line of the trace with which it failed. `None` if it is not failed, or if the worker reports no trace.
    pub trace: Option<Box<str>>,
    /// When this state was seen first.
    pub since: SystemTime,
    /// When its failure was an event last. `None` if it never was.
    pub noted: Option<SystemTime>,
}
