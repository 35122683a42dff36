//! The requests that a cluster allows, and how long a refusal is believed.
//!
//! A refused request must not be sent again in each cycle. But a permission may be granted while the service runs, so a
//! refusal is believed for ten minutes, and only while the cluster has the same brokers.

use std::time::Duration;

use tokio::time::Instant;

use super::{Error, Fault};
use crate::closed_enum::closed_enum;

/// How long a refusal is believed. The time is long enough to be no burden for the brokers and their logs, and short enough
/// for an operator who has just granted the permission.
pub const BELIEVED_FOR: Duration = Duration::from_secs(600);

closed_enum! {
    /// Whether the cluster allows a request.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Capability {
        /// The request was sent and answered.
        Ok = "ok",
        /// The principal lacks the permission.
        Denied = "denied",
        /// The broker does not know the request.
        Unsupported = "unsupported",
        /// The request was not sent yet, it failed for another reason, or Kafka may hide a part of the answer.
        #[default]
        Unknown = "unknown",
    }
}

impl Capability {
    /// The state after a request that failed with this fault. This is the only mapping from faults to states.
    pub fn of(fault: Fault) -> Self {
        match fault {
            Fault::Authorization => Capability::Denied,
            Fault::Unsupported => Capability::Unsupported,
            _ => Capability::Unknown,
        }
    }

    /// Whether the cluster refuses the request, so that sending it again at once is useless.
    pub fn is_refusal(self) -> bool {
        matches!(self, Capability::Denied | Capability::Unsupported)
    }
}

/// Whether the cluster allows one kind of request, and since when that is known.
#[derive(Debug, Clone, Default)]
pub struct Permission {
    state: Capability,
    /// When the state was set. `None` before the first response.
    since: Option<Instant>,
}

impl Permission {
    /// The state after the last response.
    pub fn state(&self) -> Capability {
        self.state
    }

    /// Whether the request was refused and the refusal is still believed.
    pub fn is_refused(&self) -> bool {
        self.state.is_refusal() && self.since.is_some_and(|since| since.elapsed() < BELIEVED_FOR)
    }

    /// Sets the state that a response shows.
    pub fn learn(&mut self, state: Capability) {
        self.state = state;
        self.since = Some(Instant::now());
    }

    /// Forgets the state, because other brokers may allow a request that the earlier brokers refused.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Sends a request, unless a refusal is still believed. A refused request is no error: the result is `None`.
    ///
    /// # Errors
    /// When the request failed for another reason than a refusal.
    pub async fn ask<T>(
        &mut self,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Error> {
        if self.is_refused() {
            return Ok(None);
        }
        let response = request.await;
        self.learn(response.as_ref().err().map_or(Capability::Ok, |error| Capability::of(error.fault())));
        if self.state.is_refusal() { Ok(None) } else { response.map(Some) }
    }
}

closed_enum! {
    /// A request that needs a permission of its own.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Request {
        /// The topics of the cluster.
        Metadata = "Metadata",
        /// The leader of the KRaft quorum.
        DescribeQuorum = "DescribeQuorum",
        /// The settings of topics.
        DescribeConfigs = "DescribeConfigs",
        /// The partitions that are being reassigned.
        ListPartitionReassignments = "ListPartitionReassignments",
        /// The consumer groups of the cluster.
        ListGroups = "ListGroups",
        /// The headers of record batches.
        Fetch = "Fetch",
        /// The log directories of brokers.
        DescribeLogDirs = "DescribeLogDirs",
        /// The committed offsets with which coordinators are checked.
        OffsetCommit = "OffsetCommit",
        /// Records of the heartbeat topic from replicas that do not lead.
        ReplicaFetch = "ReplicaFetch",
        /// The producer ids with which coordinators of transactions are checked.
        InitProducerId = "InitProducerId",
        /// The transactions that the service runs itself.
        AddPartitionsToTxn = "AddPartitionsToTxn",
        /// Records that are in remote storage alone.
        RemoteFetch = "RemoteFetch",
        /// The compatibility level of a subject in the Schema Registry, which is no request to Kafka.
        SchemaRegistryWrite = "SchemaRegistryWrite",
        /// The heartbeats of another cluster that a mirror copies to the cluster.
        MirrorFetch = "MirrorFetch",
        /// The offsets that MirrorMaker 2 translated, in the topic of checkpoints.
        CheckpointFetch = "CheckpointFetch",
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
            Request::ReplicaFetch | Request::RemoteFetch => "Read on the heartbeat topic",
            Request::MirrorFetch => "Read and Describe on the mirrored heartbeat topic of [mirror:NAME]",
            Request::CheckpointFetch => "Read and Describe on the topic of checkpoints of [mirror:NAME]",
            Request::OffsetCommit => {
                "Read on the groups named after the heartbeat topic, and Describe on the topic __consumer_offsets"
            }
            Request::InitProducerId => {
                "Write on the transactional ids named after the heartbeat topic, and Describe on the topic __transaction_state"
            }
            Request::AddPartitionsToTxn => {
                "Write and Describe on the transactional id of [transaction_probe], and Write, Read and Describe on its topic"
            }
            Request::SchemaRegistryWrite => {
                "the permission to write the compatibility level of the subject in the Schema Registry"
            }
            Request::DescribeQuorum | Request::ListPartitionReassignments | Request::DescribeLogDirs => {
                "Describe on the cluster"
            }
        }
    }
}

impl Request {
    /// The text for a request that is refused, or whose answer may be incomplete, with the permission that it needs.
    pub fn refusal(self, state: Capability) -> String {
        let (name, permission) = (self.as_str(), self.permission());
        match state {
            Capability::Denied => format!("{name} is denied: it needs {permission}"),
            _ => format!("{name} may leave something out: to see everything it needs {permission}"),
        }
    }
}

/// The state of a request whose answer holds only the topics or groups that the principal may see, without an error for the
/// rest. `answered` is the state after the response. `sees_all` is whether the principal sees everything, if that is known.
/// `is_empty` is whether the answer was empty.
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
        assert!(
            matches!(permission.ask(refused()).await, Ok(None)),
            "the request was sent and refused again"
        );
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
