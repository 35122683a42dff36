//! What a request may ask for in its query.

use serde::Deserialize;

/// `?cluster=NAME&outcome=bad&limit=N&search=PART&group=NAME`. Each path uses some of these keys and ignores the others.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct ClusterQuery {
    /// The name of one cluster; absent for all of them.
    pub(super) cluster: Option<String>,
    /// `bad` for the last bad heartbeats; absent for the last heartbeats of each partition.
    pub(super) outcome: Option<String>,
    /// The most rows of a list; absent for all of them.
    pub(super) limit: Option<usize>,
    /// A part of a name; absent for all names.
    pub(super) search: Option<String>,
    /// The name of one consumer group, which is then shown with its partitions; absent for all groups.
    pub(super) group: Option<String>,
}

impl ClusterQuery {
    /// Whether a name holds what is searched for.
    pub(super) fn finds(&self, name: &str) -> bool {
        self.search.as_deref().is_none_or(|part| name.contains(part))
    }

    /// The most rows of a list.
    pub(super) fn most(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

/// `?cluster=NAME&kind=KIND&from=MS&to=MS`
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct EventsQuery {
    /// The name of one cluster; absent for all of them.
    pub(super) cluster: Option<String>,
    /// One kind of event; absent for all kinds.
    pub(super) kind: Option<String>,
    /// The earliest instant in milliseconds since 1970, as in Grafana's `$__from`; absent without a limit.
    pub(super) from: Option<u64>,
    /// The latest instant in milliseconds since 1970, as in Grafana's `$__to`; absent without a limit.
    pub(super) to: Option<u64>,
}

/// `?cluster=NAME&from=MS&to=MS&step=DURATION`
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct HistoryQuery {
    /// The name of one cluster; absent for all of them.
    pub(super) cluster: Option<String>,
    /// The earliest instant in milliseconds since 1970; absent for 24 hours before `to`.
    pub(super) from: Option<i64>,
    /// The latest instant in milliseconds since 1970; absent for now.
    pub(super) to: Option<i64>,
    /// The length of one interval, as `1m`, `15m`, `6h` or `1d`; absent for the shortest that is kept for this time.
    pub(super) step: Option<String>,
}
