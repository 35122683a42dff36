//! The traffic of one topic as it is remembered between cycles.

use super::anomaly::Traffic;

/// A topic's traffic.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Records appended by the last look.
    pub(crate) appended: Option<u64>,
    pub(crate) traffic: Traffic,
    /// Its baseline has changed since it was last saved.
    pub(crate) changed: bool,
    /// Looks in a row without it.
    pub(crate) missing: u32,
}
