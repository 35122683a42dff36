//! Requests that failed, counted by request and kind of failure.

use std::collections::BTreeMap;

use crate::kafka::Fault;

/// A request that the tasks send to read or commit offsets, or to read the state of groups and topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// For the groups of a broker.
    ListGroups,
    /// For the coordinator of a group.
    FindCoordinator,
    /// For the committed offsets of a group.
    OffsetFetch,
    /// To commit an offset of a group.
    OffsetCommit,
    /// For the producer id of a transactional id.
    InitProducerId,
    /// For the start offset of a share group in each partition.
    DescribeShareGroupOffsets,
    /// For the producers with an open transaction on a partition.
    DescribeProducers,
    /// For the transactions that a coordinator knows.
    ListTransactions,
    /// For the members of a group.
    DescribeGroups,
    /// For the offsets of a partition.
    ListOffsets,
    /// For the headers of record batches.
    Fetch,
    /// For the configuration of a topic.
    DescribeConfigs,
    /// For the partitions whose replicas are being reassigned.
    ListPartitionReassignments,
}

impl Api {
    /// The request as a label value, in Kafka's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Api::ListGroups => "ListGroups",
            Api::FindCoordinator => "FindCoordinator",
            Api::OffsetFetch => "OffsetFetch",
            Api::OffsetCommit => "OffsetCommit",
            Api::InitProducerId => "InitProducerId",
            Api::DescribeShareGroupOffsets => "DescribeShareGroupOffsets",
            Api::DescribeProducers => "DescribeProducers",
            Api::ListTransactions => "ListTransactions",
            Api::DescribeGroups => "DescribeGroups",
            Api::ListOffsets => "ListOffsets",
            Api::Fetch => "Fetch",
            Api::DescribeConfigs => "DescribeConfigs",
            Api::ListPartitionReassignments => "ListPartitionReassignments",
        }
    }
}

/// The number of failed requests, by request and kind of failure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(pub(crate) BTreeMap<(Api, Fault), u64>);

impl Faults {
    pub(crate) fn count(&mut self, api: Api, fault: Fault) {
        *self.0.entry((api, fault)).or_default() += 1;
    }
}
