//! The requests of one cycle: FindCoordinator for all its groups, then OffsetCommit and OffsetFetch for each coordinator.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use super::identity::Identity;
use crate::{
    cluster::Api,
    kafka::{
        BrokerId, Error, Fault, TopicPartition,
        admin::{self, Commit, ReadBack},
        wire,
    },
};

/// What a cycle asks, and until when.
pub(super) struct Round<'a> {
    pub(super) wire: &'a wire::Cluster,
    /// The partition for which offsets are committed.
    pub(super) at: TopicPartition,
    /// The offset that is committed.
    pub(super) offset: i64,
    /// The text beside the offset.
    pub(super) identity: Identity,
    /// No commit is begun after this instant: partitions that are left are checked in the next cycle.
    pub(super) last_begin: Instant,
    /// Requests without an answer at this instant have timed out.
    pub(super) deadline: Instant,
}

/// The result of the check of one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    /// The coordinator. `None` if the cluster names none.
    pub(super) broker: Option<BrokerId>,
    /// The duration of a good OffsetCommit.
    pub(super) commit: Option<Duration>,
    /// The duration of a good OffsetFetch.
    pub(super) fetch: Option<Duration>,
    /// The request that failed, and how. `None` for a good check.
    pub(super) failed: Option<(Api, Fault)>,
}

impl Checked {
    fn failed(broker: Option<BrokerId>, request: Api, fault: Fault) -> Self {
        Self { broker, commit: None, fetch: None, failed: Some((request, fault)) }
    }
}

impl Round<'_> {
    /// Checks the coordinators of these groups, by the partitions of the groups. A partition whose turn did not come in time is
    /// absent.
    ///
    /// # Errors
    /// When no broker answered which brokers coordinate the groups.
    pub(super) async fn check(
        &self,
        groups: &BTreeMap<i32, Arc<str>>,
    ) -> Result<BTreeMap<i32, Checked>, Error> {
        let names: Vec<&str> = groups.values().map(|group| &**group).collect();
        let coordinators = admin::coordinators(self.wire, &names).await?;
        let mut checked = BTreeMap::new();
        let mut by_coordinator = BTreeMap::<BrokerId, Vec<(i32, Arc<str>)>>::new();
        for (partition, group) in groups {
            match coordinators.get(&**group) {
                Some(Ok(broker)) => {
                    by_coordinator.entry(*broker).or_default().push((*partition, group.clone()));
                }
                Some(Err(error)) => {
                    let failed = Checked::failed(None, Api::FindCoordinator, error.fault());
                    checked.insert(*partition, failed);
                }
                None => {}
            }
        }
        let asked = by_coordinator.iter().map(|(broker, groups)| self.ask(*broker, groups));
        checked.extend(join_all(asked).await.into_iter().flatten());
        Ok(checked)
    }

    /// Commits for the groups of one coordinator, one after the other, and then reads all committed offsets at once. A broker
    /// handles the requests of a connection one after the other, so commits at the same time would measure their own queue.
    async fn ask(&self, broker: BrokerId, groups: &[(i32, Arc<str>)]) -> BTreeMap<i32, Checked> {
        let mut checked = BTreeMap::new();
        let mut committed = Vec::new();
        let failed = |fault| Checked::failed(Some(broker), Api::OffsetCommit, fault);
        let mut left = groups.iter();
        for (partition, group) in left.by_ref().take_while(|_| Instant::now() < self.last_begin) {
            let commit = self.commit();
            match self.in_time(admin::commit_offset(self.wire, broker, group, &self.at, &commit)).await {
                Ok(Ok(duration)) => committed.push((*partition, group.clone(), duration)),
                Ok(Err(fault)) => _ = checked.insert(*partition, failed(fault)),
                Err(error) => {
                    // A broker that does not answer is not asked again in this cycle: the others would fail in the same way.
                    checked.insert(*partition, failed(error.fault()));
                    checked.extend(left.map(|(partition, _)| (*partition, failed(error.fault()))));
                    break;
                }
            }
        }
        checked.extend(self.read(broker, committed).await);
        checked
    }

    /// Reads what was committed.
    async fn read(
        &self,
        broker: BrokerId,
        committed: Vec<(i32, Arc<str>, Duration)>,
    ) -> BTreeMap<i32, Checked> {
        if committed.is_empty() {
            return BTreeMap::new();
        }
        let groups: Vec<_> = committed.iter().map(|(_, group, _)| group.clone()).collect();
        let read =
            self.in_time(async { Ok(admin::read_commits(self.wire, broker, &groups, &self.at).await) });
        let mut read = match read.await {
            Ok(read) => read,
            Err(error) => groups.iter().map(|group| (group.clone(), Err(error.fault()))).collect(),
        };
        let of_partition = |(partition, group, commit): (i32, Arc<str>, Duration)| {
            let fetched = read.remove(&group).unwrap_or(Err(Fault::Protocol));
            let (fetch, fault) = match fetched.map(|read| (self.compare(&read), read.duration)) {
                Ok((Ok(()), duration)) => (Some(duration), None),
                Ok((Err(fault), _)) | Err(fault) => (None, Some(fault)),
            };
            let failed = fault.map(|fault| (Api::OffsetFetch, fault));
            (partition, Checked { broker: Some(broker), commit: Some(commit), fetch, failed })
        };
        committed.into_iter().map(of_partition).collect()
    }

    fn commit(&self) -> Commit {
        Commit { offset: self.offset, metadata: self.identity.to_string() }
    }

    /// Whether the coordinator returned what it has acknowledged. Another instance of the service with the same heartbeat
    /// topic commits for the same groups, so its commit may have replaced ours.
    ///
    /// # Errors
    /// The fault with which the coordinator refused the request, or [`Fault::Other`] if it returned something else.
    fn compare(&self, read: &ReadBack) -> Result<(), Fault> {
        let found = read.commit.as_ref().map_err(|fault| *fault)?;
        let is_good = found.as_ref().is_some_and(|found| {
            *found == self.commit() || self.identity.may_be_replaced_by(&found.metadata)
        });
        if is_good { Ok(()) } else { Err(Fault::Other) }
    }

    /// The result of a request, if it comes before the deadline.
    async fn in_time<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let result = tokio::time::timeout_at(self.deadline.into(), request).await;
        result.unwrap_or_else(|_| Err(Error::new(Fault::Timeout, "the cycle of the coordinators ends")))
    }
}
