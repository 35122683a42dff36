//! The traffic of one topic as it is remembered between cycles.

use super::anomaly::Traffic;

/// The traffic of a topic as it is remembered between cycles.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Records appended to the topic up to the last cycle. `None` before the first cycle.
    pub(crate) appended: Option<u64>,
    /// The baseline of the topic and its recent records.
    pub(crate) traffic: Traffic,
    /// Whether the baseline has changed since it was last saved.
    pub(crate) changed: bool,
    /// Number of cycles in a row in which the topic was missing.
    pub(crate) missing: u32,
}
