//! One heartbeat in the ledger. An entry is small, because there may be hundreds of thousands.

use std::time::Duration;

use crate::{
    kafka::{BrokerId, Fault},
    probe::heartbeat::outcome::Outcome,
};

/// What is known of one heartbeat. All times count from its intended instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The intended instant, in nanoseconds from the ledger's beginning.
    pub(super) intended: u64,
    /// The offset of its record; `None` until the record is read.
    pub(super) offset: Option<PackedOffset>,
    /// The time until it was handed to the client.
    pub(super) sent: Micros,
    /// The time until its record was first read; absent until then.
    pub(super) received: Micros,
    /// The acknowledgement.
    pub(super) ack: Ack,
    /// The leader of the partition when it was sent; `None` if no leader was known.
    pub(super) broker: Option<BrokerId>,
    /// The reason why the client refused it; `None` if the client took it.
    pub(super) refused: Option<Fault>,
    /// The judgement. It is set once.
    pub(super) judgement: Option<Judgement>,
    /// The outcome. It is set once.
    pub(super) outcome: Option<Outcome>,
    /// True if it became the exemplar of a bucket.
    pub(super) is_exemplar: bool,
}

/// Whether a broker acknowledged a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ack {
    /// No delivery report yet.
    Waiting,
    /// The heartbeat was acknowledged after this time.
    At(Micros),
    /// The delivery failed.
    Failed {
        /// The reason.
        fault: Fault,
        /// True if the client is certain that the record was not written.
        definite: bool,
        /// The time until the delivery report.
        at: Micros,
    },
}

/// The judgement of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Acknowledged and received by the deadline.
    Good,
    /// Not acknowledged or not received by the deadline.
    Bad,
    /// Not judged, because this process stalled, had no descriptor left or stopped.
    Excluded,
}

/// A time of up to 71 minutes, or none, in four bytes. The time is kept in whole microseconds, rounded up, so that an
/// event after a deadline never seems to lie before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Micros(Option<std::num::NonZeroU32>);

/// An offset. An `Option` of it takes half the space of an `Option<i64>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedOffset(std::num::NonZeroU64);

impl PackedOffset {
    /// Packs an offset; `None` for a negative one, which Kafka never assigns.
    pub(super) fn new(offset: i64) -> Option<Self> {
        u64::try_from(offset).ok().and_then(|offset| std::num::NonZeroU64::new(offset + 1)).map(Self)
    }

    /// The offset.
    pub(super) fn get(self) -> i64 {
        (self.0.get() - 1).cast_signed()
    }
}

impl Micros {
    /// Rounds a time up to whole microseconds. A longer time than 71 minutes becomes 71 minutes.
    pub(super) fn new(time: Duration) -> Self {
        let micros = u32::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u32::MAX - 1);
        Self(std::num::NonZeroU32::new(micros.saturating_add(1)))
    }

    /// The time; `None` if there is none.
    pub(super) fn get(self) -> Option<Duration> {
        self.0.map(|stored| Duration::from_micros(u64::from(stored.get() - 1)))
    }
}

impl Entry {
    /// A heartbeat that was handed to the client `sent` after its intended instant, which lies `intended` nanoseconds
    /// after the ledger's beginning.
    pub(super) fn new(intended: u64, sent: Duration, broker: Option<BrokerId>) -> Self {
        Self {
            intended,
            offset: None,
            sent: Micros::new(sent),
            received: Micros::default(),
            ack: Ack::Waiting,
            broker,
            refused: None,
            judgement: None,
            outcome: None,
            is_exemplar: false,
        }
    }

    /// The time until the acknowledgement; `None` if there is none.
    pub(super) fn acked(&self) -> Option<Duration> {
        match self.ack {
            Ack::At(time) => time.get(),
            Ack::Waiting | Ack::Failed { .. } => None,
        }
    }

    /// The time until the delivery failed; `None` if it did not.
    pub(super) fn failed(&self) -> Option<Duration> {
        match self.ack {
            Ack::Failed { at, .. } => at.get(),
            Ack::Waiting | Ack::At(_) => None,
        }
    }

    /// The time until the last event of the heartbeat.
    pub(super) fn last(&self) -> Option<Duration> {
        [self.sent.get(), self.acked(), self.failed(), self.received.get()].into_iter().max().flatten()
    }

    /// Whether the client took the heartbeat.
    pub(super) fn handed_over(&self) -> bool {
        self.refused.is_none()
    }

    /// The outcome, if no later event can change it.
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

    /// The outcome at the horizon, when the heartbeat is no longer waited for.
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
    fn entry_takes_at_most_48_bytes() {
        assert!(size_of::<Entry>() <= 48, "{} bytes", size_of::<Entry>());
    }

    #[test]
    fn time_after_a_deadline_is_never_rounded_to_the_deadline() {
        let deadline = Duration::from_secs(10);
        assert_eq!(Micros::new(deadline).get(), Some(deadline));
        assert!(Micros::new(deadline + Duration::from_nanos(1)).get() > Some(deadline));
        assert_eq!(Micros::new(Duration::ZERO).get(), Some(Duration::ZERO));
        assert!(
            Micros::new(Duration::from_secs(1 << 40)).get().is_some(),
            "a time that is too long for four bytes is kept as the longest one"
        );
    }
}
