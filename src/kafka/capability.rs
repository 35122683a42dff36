//! What a cluster lets us ask, and for how long a refusal is believed.
//!
//! Nothing we have no right to is asked for again and again. But a permission may be granted while the service runs,
//! so a refusal is believed for ten minutes, and only as long as the cluster has the same brokers.

use std::time::Duration;

use tokio::time::Instant;

use super::{Error, Fault};
use crate::closed_enum::closed_enum;

/// How long a refusal is believed. Long enough to be no burden for the brokers and their logs; short enough for an
/// operator who has just granted the permission.
pub const BELIEVED_FOR: Duration = Duration::from_secs(600);

closed_enum! {
    /// Whether the cluster lets us ask something.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Capability {
        /// Asked and answered.
        Ok = "ok",
        /// The principal lacks the permission.
        Denied = "denied",
        /// The broker does not know the request.
        Unsupported = "unsupported",
        /// Not asked yet, the answer was another error, or Kafka does not say whether it hides something.
        #[default]
        Unknown = "unknown",
    }
}

impl Capability {
    /// The state after a question that failed in this way.
    pub fn of(fault: Fault) -> Self {
        match fault {
            Fault::Authorization => Capability::Denied,
            Fault::Unsupported => Capability::Unsupported,
            _ => Capability::Unknown,
        }
    }

    /// Whether the cluster refuses the request: asking again at once changes nothing.
    pub fn is_refusal(self) -> bool {
        matches!(self, Capability::Denied | Capability::Unsupported)
    }
}

/// What is remembered of one kind of request: whether the cluster allows it, and until when a refusal is believed.
#[derive(Debug, Clone, Default)]
pub struct Permission {
    state: Capability,
    since: Option<Instant>,
}

impl Permission {
    /// The state by the last answer.
    pub fn state(&self) -> Capability {
        self.state
    }

    /// Whether the request was refused, and the refusal is still believed.
    pub fn is_refused(&self) -> bool {
        self.state.is_refusal() && self.since.is_some_and(|since| since.elapsed() < BELIEVED_FOR)
    }

    /// Takes in what an answer says.
    pub fn learn(&mut self, state: Capability) {
        (self.state, self.since) = (state, Some(Instant::now()));
    }

    /// Forgets what is known: other brokers may allow what these refused.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Asks, unless a refusal is still believed. A refusal is no error, but an answer that is not there.
    ///
    /// # Errors
    /// When the question failed for another reason than a refusal.
    pub async fn ask<T>(
        &mut self,
        question: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Error> {
        if self.is_refused() {
            return Ok(None);
        }
        let asked = question.await;
        self.learn(asked.as_ref().err().map_or(Capability::Ok, |error| Capability::of(error.fault())));
        if self.state.is_refusal() { Ok(None) } else { asked.map(Some) }
    }
}

closed_enum! {
    /// A request that needs a permission of its own.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Request {
        /// Which topics there are.
        Metadata = "Metadata",
        /// Who leads the quorum.
        DescribeQuorum = "DescribeQuorum",
        /// Settings of topics.
        DescribeConfigs = "DescribeConfigs",
        /// Partitions that are being moved.
        ListPartitionReassignments = "ListPartitionReassignments",
        /// Which consumer groups there are.
        ListGroups = "ListGroups",
        /// Headers of record batches.
        Fetch = "Fetch",
        /// Where brokers keep their logs.
        DescribeLogDirs = "DescribeLogDirs",
    }
}

impl Request {
    /// The permission that the request needs: the operation and the resource, in Kafka's words.
    pub fn permission(self) -> &'static str {
        match self {
            Request::Metadata => "Describe on the topics",
            Request::DescribeConfigs => "DescribeConfigs on the topics",
            Request::ListGroups => "Describe on the cluster or on the groups",
            Request::Fetch => "Read on the topics",
            Request::DescribeQuorum | Request::ListPartitionReassignments | Request::DescribeLogDirs => {
                "Describe on the cluster"
            }
        }
    }
}

impl Request {
    /// What it means that the request is refused, or may be answered in part, and which permission it needs.
    pub fn refusal(self, state: Capability) -> String {
        let (name, permission) = (self.as_str(), self.permission());
        match state {
            Capability::Denied => format!("{name} is denied: it needs {permission}"),
            _ => format!("{name} may leave something out: to see everything it needs {permission}"),
        }
    }
}

/// The state of a request that Kafka answers with what the principal may see, without an error for the rest.
/// `sees_all` says whether nothing is hidden, as far as that is known; `is_empty`, whether the answer was.
pub fn hidden(answered: Capability, sees_all: Option<bool>, is_empty: bool) -> Capability {
    match (answered, sees_all, is_empty) {
        (Capability::Ok, Some(true), _) | (Capability::Ok, None, false) => Capability::Ok,
        (Capability::Ok, Some(false), true) => Capability::Denied,
        (Capability::Ok, ..) => Capability::Unknown,
        (refused, ..) => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn permission_refused_is_asked_again_after_ten_minutes_and_when_forgotten() {
        let mut permission = Permission::default();
        let refused = || async { Err::<(), _>(Error::new(Fault::Authorization, "x")) };
        let allowed = || async { Ok(7) };
        assert!(matches!(permission.ask(refused()).await, Ok(None)));
        assert_eq!(permission.state(), Capability::Denied);
        tokio::time::advance(BELIEVED_FOR - Duration::from_secs(1)).await;
        assert!(matches!(permission.ask(allowed()).await, Ok(None)), "the refusal is still believed");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(permission.ask(refused()).await, Ok(None)), "it was asked, and refused again");
        assert!(permission.is_refused());
        permission.forget();
        assert!(matches!(permission.ask(allowed()).await, Ok(Some(7))));
        assert_eq!(permission.state(), Capability::Ok);
    }

    #[test]
    fn hidden_answer_is_ok_only_where_nothing_can_be_missing() {
        use Capability::{Denied, Ok, Unknown, Unsupported};
        let table = [
            ((Ok, Some(true), true), Ok),
            ((Ok, Some(true), false), Ok),
            ((Ok, Some(false), true), Denied),
            ((Ok, Some(false), false), Unknown),
            ((Ok, None, true), Unknown),
            ((Ok, None, false), Ok),
            ((Denied, Some(true), false), Denied),
            ((Unsupported, None, true), Unsupported),
        ];
        for ((answered, sees_all, is_empty), state) in table {
            assert_eq!(hidden(answered, sees_all, is_empty), state, "{answered:?} {sees_all:?} {is_empty}");
        }
    }
}
