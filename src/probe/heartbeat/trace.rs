//! The ids of a heartbeat's trace, and the share of good heartbeats that are exported as traces.
//!
//! The ids follow from the heartbeat's own name, so they need not be stored. The ids in the record's header, in a log
//! line, on an exemplar and in the trace itself agree, whenever they are written.

use super::{id::HeartbeatId, record::Identity};

/// The name of the header of W3C Trace Context.
pub const HEADER: &str = "traceparent";

/// The ids of a heartbeat's trace and of its spans. None of them is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceIds {
    /// The id of the trace.
    pub trace: u128,
    /// The span of the whole heartbeat.
    pub root: u64,
    /// The span from the client to the broker. The header of the record carries its id.
    pub produce: u64,
    /// The span from the broker back to this process.
    pub deliver: u64,
}

impl TraceIds {
    /// The ids of one heartbeat.
    pub fn of(identity: Identity, id: HeartbeatId) -> Self {
        let HeartbeatId { partition, sequence } = id;
        let parts = [identity.instance, identity.epoch, u64::from(partition.cast_unsigned()), sequence];
        let mut state = parts.into_iter().fold(0, |state, part| mixed(state ^ part));
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed(state).max(1)
        };
        let trace = (u128::from(next()) << 64) | u128::from(next());
        Self { trace, root: next(), produce: next(), deliver: next() }
    }

    /// The value of the header: version, trace, parent span and flags. The flag says whether the heartbeat belongs to
    /// the share of good heartbeats that are exported.
    pub fn header(&self, share: SampleShare) -> String {
        let sampled = u8::from(share.takes(self));
        format!("00-{:032x}-{:016x}-{sampled:02x}", self.trace, self.produce)
    }

    /// The id of the trace as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): each bit of the input changes half of the output bits.
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The share of good heartbeats that are exported as traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleShare(u64);

impl SampleShare {
    /// A share from 0, for no heartbeat, to 1, for all.
    pub fn new(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64)
    }

    /// Whether a heartbeat belongs to the share. The lower half of the trace id decides, as in the samplers of
    /// OpenTelemetry, so that other samplers with the same share decide alike.
    pub fn takes(self, ids: &TraceIds) -> bool {
        (ids.trace as u64) >> 1 < self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::UNIX_EPOCH};

    use super::*;

    fn ids(partition: i32, sequence: u64) -> TraceIds {
        TraceIds::of(Identity::new("b", UNIX_EPOCH), HeartbeatId { partition, sequence })
    }

    #[test]
    fn ids_of_two_heartbeats_differ_and_ids_of_one_heartbeat_are_always_the_same() {
        let all: BTreeSet<u64> = (0..50)
            .flat_map(|partition| (0..200).map(move |sequence| ids(partition, sequence)))
            .flat_map(|ids| [(ids.trace >> 64) as u64, ids.trace as u64, ids.root, ids.produce, ids.deliver])
            .collect();
        assert_eq!(all.len(), 50 * 200 * 5);
        assert!(!all.contains(&0));
        assert_eq!(ids(7, 9), ids(7, 9));
        let other = Identity::new("c", UNIX_EPOCH);
        assert_ne!(ids(7, 9).trace, TraceIds::of(other, HeartbeatId { partition: 7, sequence: 9 }).trace);
    }

    #[test]
    fn sample_share_takes_its_part_of_the_heartbeats() {
        for share in [0.0, 0.01, 0.25, 1.0] {
            let taken =
                (0..40_000).filter(|sequence| SampleShare::new(share).takes(&ids(3, *sequence))).count();
            assert!((taken as f64 / 40_000.0 - share).abs() < 0.01, "{taken} for {share}");
            assert!(share != 1.0 || taken == 40_000);
        }
    }

    #[test]
    fn header_has_the_format_of_w3c_trace_context() {
        let ids = TraceIds {
            trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            root: 1,
            produce: 0xb7ad_6b71_6920_3331,
            deliver: 2,
        };
        assert_eq!(
            ids.header(SampleShare::new(1.0)),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        );
        assert_eq!(ids.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    }
}
