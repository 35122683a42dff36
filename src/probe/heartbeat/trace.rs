//! A heartbeat in traces: its ids, which heartbeats are told, and how they get out.
//!
//! The ids follow from the heartbeat's own name, so nothing has to be kept for them: what is in the record's header,
//! in a log line, on an exemplar and in the trace itself agrees, whenever it is written.

use super::record::Identity;

/// The header of W3C Trace Context.
pub const HEADER: &str = "traceparent";

/// TraceIds of a heartbeat's trace and its spans; none is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceIds {
    /// Of the trace.
    pub trace: u128,
    /// Of the whole heartbeat.
    pub root: u64,
    /// Of its way to the broker. This one is in the record's header.
    pub produce: u64,
    /// Of its way back.
    pub deliver: u64,
}

impl TraceIds {
    /// Those of one heartbeat.
    pub fn of(identity: Identity, partition: i32, sequence: u64) -> Self {
        let parts = [identity.instance, identity.epoch, u64::from(partition.cast_unsigned()), sequence];
        let mut state = parts.into_iter().fold(0, |state, part| mixed(state ^ part));
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed(state).max(1)
        };
        let trace = (u128::from(next()) << 64) | u128::from(next());
        Self { trace, root: next(), produce: next(), deliver: next() }
    }

    /// The header's value: version, trace, parent, flags.
    pub fn header(&self, sampled: bool) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.produce, u8::from(sampled))
    }

    /// The trace's id as everybody writes it.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the input changes half of the output's.
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Which of the heartbeats that nothing else speaks for are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleShare(u64);

impl SampleShare {
    /// From 0, for none, to 1, for all.
    pub fn new(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64)
    }

    /// By the trace's lower half, as other samplers decide: they come to the same.
    pub fn takes(self, ids: &TraceIds) -> bool {
        (ids.trace as u64) >> 1 < self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::UNIX_EPOCH};

    use super::*;

    fn ids(partition: i32, sequence: u64) -> TraceIds {
        TraceIds::of(Identity::new("b", UNIX_EPOCH), partition, sequence)
    }

    #[test]
    fn no_two_heartbeats_share_an_id_and_one_has_always_the_same() {
        let all: BTreeSet<u64> = (0..50)
            .flat_map(|partition| (0..200).map(move |sequence| ids(partition, sequence)))
            .flat_map(|ids| [(ids.trace >> 64) as u64, ids.trace as u64, ids.root, ids.produce, ids.deliver])
            .collect();
        assert_eq!(all.len(), 50 * 200 * 5);
        assert!(!all.contains(&0));
        assert_eq!(ids(7, 9), ids(7, 9));
        assert_ne!(ids(7, 9).trace, TraceIds::of(Identity::new("c", UNIX_EPOCH), 7, 9).trace);
    }

    #[test]
    fn a_share_is_a_share() {
        for share in [0.0, 0.01, 0.25, 1.0] {
            let taken =
                (0..40_000).filter(|sequence| SampleShare::new(share).takes(&ids(3, *sequence))).count();
            assert!((taken as f64 / 40_000.0 - share).abs() < 0.01, "{taken} for {share}");
            assert!(share != 1.0 || taken == 40_000);
        }
    }

    #[test]
    fn the_header_is_as_the_standard_has_it() {
        let ids = TraceIds {
            trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            root: 1,
            produce: 0xb7ad_6b71_6920_3331,
            deliver: 2,
        };
        assert_eq!(ids.header(true), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(ids.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    }
}
