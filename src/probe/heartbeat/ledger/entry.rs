//! One heartbeat in the ledger, small because there may be hundreds of thousands.

use std::time::Duration;

use crate::{
    kafka::{BrokerId, Fault},
    probe::heartbeat::outcome::Outcome,
};

/// What is known of one heartbeat. All times count from its intended instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Nanoseconds from the ledger's beginning.
    pub(super) intended: u64,
    /// Where its record was first seen.
    pub(super) offset: Option<PackedOffset>,
    /// When it was handed to the client.
    pub(super) sent: Micros,
    /// When its record was first seen.
    pub(super) received: Micros,
    /// What the broker said.
    pub(super) ack: Ack,
    /// The partition's leader when it was sent.
    pub(super) broker: Option<BrokerId>,
    /// Why the client would not take it.
    pub(super) refused: Option<Fault>,
    /// Set once.
    pub(super) verdict: Option<Judgement>,
    /// Set once.
    pub(super) outcome: Option<Outcome>,
    /// An exemplar leads to it.
    pub(super) shown: bool,
}

/// What the broker said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ack {
    /// Nothing yet.
    Waiting,
    /// Acknowledged.
    At(Micros),
    /// The delivery failed.
    Failed {
        /// Why.
        fault: Fault,
        /// The client is certain that nothing was written.
        definite: bool,
        /// When.
        at: Micros,
    },
}

/// The judgement of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Acknowledged and received by the deadline.
    Good,
    /// Not so.
    Bad,
    /// Not judged: we slept, or stopped.
    Excluded,
}

/// A time of up to 71 minutes, or none, in four bytes: whole microseconds, rounded up so that nothing
/// that came after a deadline looks as if it came by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Micros(Option<std::num::NonZeroU32>);

/// An offset in half the space of an `Option<i64>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedOffset(std::num::NonZeroU64);

impl PackedOffset {
    /// Offsets are not negative; `None` for one that is.
    pub(super) fn new(offset: i64) -> Option<Self> {
        u64::try_from(offset).ok().and_then(|offset| std::num::NonZeroU64::new(offset + 1)).map(Self)
    }

    pub(super) fn get(self) -> i64 {
        (self.0.get() - 1).cast_signed()
    }
}

impl Micros {
    pub(super) fn new(time: Duration) -> Self {
        let micros = u32::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u32::MAX - 1);
        Self(std::num::NonZeroU32::new(micros.saturating_add(1)))
    }

    pub(super) fn get(self) -> Option<Duration> {
        self.0.map(|stored| Duration::from_micros(u64::from(stored.get() - 1)))
    }
}

impl Entry {
    pub(super) fn new(intended: u64, sent: Duration, broker: Option<BrokerId>) -> Self {
        Self {
            intended,
            offset: None,
            sent: Micros::new(sent),
            received: Micros::default(),
            ack: Ack::Waiting,
            broker,
            refused: None,
            verdict: None,
            outcome: None,
            shown: false,
        }
    }

    /// When it was acknowledged, if it was.
    pub(super) fn acked(&self) -> Option<Duration> {
        match self.ack {
            Ack::At(time) => time.get(),
            Ack::Waiting | Ack::Failed { .. } => None,
        }
    }

    /// When its delivery failed, if it did.
    pub(super) fn failed(&self) -> Option<Duration> {
        match self.ack {
            Ack::Failed { at, .. } => at.get(),
            Ack::Waiting | Ack::At(_) => None,
        }
    }

    /// The last thing that happened to it.
    pub(super) fn last(&self) -> Option<Duration> {
        [self.sent.get(), self.acked(), self.failed(), self.received.get()].into_iter().max().flatten()
    }

    /// Whether the client took it.
    pub(super) fn handed_over(&self) -> bool {
        self.refused.is_none()
    }

    /// The outcome, if nothing that may still come can change it.
    pub(super) fn certain(&self, deadline: Duration) -> Option<Outcome> {
        if self.refused.is_some() {
            return Some(Outcome::Unsent);
        }
        match (self.ack, self.received.get()) {
            (Ack::At(acked), Some(received)) => {
                let in_time = acked.get().max(Some(received)) <= Some(deadline);
                Some(if in_time { Outcome::Ok } else { Outcome::Late })
            }
            (Ack::Failed { .. }, Some(_)) => Some(Outcome::UnackedReceived),
            (Ack::Failed { definite: true, .. }, None) => Some(Outcome::Rejected),
            _ => None,
        }
    }

    /// The outcome when nothing more is waited for.
    pub(super) fn at_horizon(&self) -> Outcome {
        match (self.ack, self.received.get()) {
            (Ack::At(_), _) => Outcome::Lost,
            (_, Some(_)) => Outcome::UnackedReceived,
            (_, None) => Outcome::UnackedMissing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Entry>() <= 48, "{} bytes", size_of::<Entry>());
    }

    #[test]
    fn a_time_is_never_rounded_to_before_a_deadline() {
        let deadline = Duration::from_secs(10);
        assert_eq!(Micros::new(deadline).get(), Some(deadline));
        assert!(Micros::new(deadline + Duration::from_nanos(1)).get() > Some(deadline));
        assert_eq!(Micros::new(Duration::ZERO).get(), Some(Duration::ZERO));
        assert!(
            Micros::new(Duration::from_secs(1 << 40)).get().is_some(),
            "a huge time is kept as a huge time"
        );
    }
}
