//! Questions that failed: counted, and told by request and kind.

use std::collections::BTreeMap;

use crate::kafka::Fault;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// Groups of a broker.
    ListGroups,
    /// The coordinator of a group.
    FindCoordinator,
    /// Committed offsets of a group.
    OffsetFetch,
    /// From where on a share group has something to do.
    DescribeShareGroupOffsets,
    /// Who has a transaction open on a partition.
    DescribeProducers,
    /// What coordinators know of transactions.
    ListTransactions,
    /// Members of a group.
    DescribeGroups,
    /// Offsets of a partition.
    ListOffsets,
    /// Heads of record batches.
    Fetch,
    /// Settings of topics.
    DescribeConfigs,
    /// Partitions that are being moved.
    ListPartitionReassignments,
}

impl Api {
    /// The request as a label value, in Kafka's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Api::ListGroups => "ListGroups",
            Api::FindCoordinator => "FindCoordinator",
            Api::OffsetFetch => "OffsetFetch",
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

/// Counts of failed questions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(pub(crate) BTreeMap<(Api, Fault), u64>);

impl Faults {
    pub(crate) fn count(&mut self, api: Api, fault: Fault) {
        *self.0.entry((api, fault)).or_default() += 1;
    }
}
