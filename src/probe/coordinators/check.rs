//! The requests of one cycle: FindCoordinator for all names, then OffsetCommit and OffsetFetch for each coordinator of groups, or
//! InitProducerId for each coordinator of transactions.

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
        admin::{self, Commit, Coordinated, ReadBack},
        wire,
    },
    task::within,
};

/// What a cycle asks, and until when.
pub(super) struct Round<'a> {
    pub(super) wire: &'a wire::Cluster,
    pub(super) work: Work,
    /// No commit is begun after this instant: partitions that are left are checked in the next cycle.
    pub(super) last_begin: Instant,
    /// Requests without an answer at this instant have timed out.
    pub(super) deadline: Instant,
}

/// What each coordinator is asked.
pub(super) enum Work {
    /// To commit an offset of this partition, with this text beside it, and to return it.
    Commit { at: TopicPartition, offset: i64, identity: Identity },
    /// To return a producer id.
    InitProducerId,
}

impl Work {
    fn coordinated(&self) -> Coordinated {
        match self {
            Work::Commit { .. } => Coordinated::Groups,
            Work::InitProducerId => Coordinated::Transactions,
        }
    }

    /// The first request.
    fn api(&self) -> Api {
        match self {
            Work::Commit { .. } => Api::OffsetCommit,
            Work::InitProducerId => Api::InitProducerId,
        }
    }
}

/// The result of the check of one partition.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    /// The coordinator. `None` if the cluster names none.
    pub(super) broker: Option<BrokerId>,
    /// The durations of the good requests to the coordinator.
    pub(super) durations: Vec<(Api, Duration)>,
    /// The request that failed, and how. `None` for a good check.
    pub(super) failed: Option<(Api, Fault)>,
}

impl Checked {
    fn failed(broker: Option<BrokerId>, request: Api, fault: Fault) -> Self {
        Self { broker, durations: Vec::new(), failed: Some((request, fault)) }
    }
}

impl Round<'_> {
    /// Checks the coordinators of these groups or transactional ids, by their partitions. A partition whose turn did not come in
    /// time is absent.
    ///
    /// # Errors
    /// When no broker answered which brokers are the coordinators.
    pub(super) async fn check(
        &self,
        names: &BTreeMap<i32, Arc<str>>,
    ) -> Result<BTreeMap<i32, Checked>, Error> {
        let all: Vec<&str> = names.values().map(|name| &**name).collect();
        let coordinators = admin::coordinators(self.wire, self.work.coordinated(), &all).await?;
        let mut checked = BTreeMap::new();
        let mut by_coordinator = BTreeMap::<BrokerId, Vec<(i32, Arc<str>)>>::new();
        for (partition, name) in names {
            match coordinators.get(&**name) {
                Some(Ok(broker)) => {
                    by_coordinator.entry(*broker).or_default().push((*partition, name.clone()));
                }
                Some(Err(error)) => {
                    let failed = Checked::failed(None, Api::FindCoordinator, error.fault());
                    checked.insert(*partition, failed);
                }
                None => {}
            }
        }
        let asked = by_coordinator.iter().map(|(broker, names)| self.ask(*broker, names));
        checked.extend(join_all(asked).await.into_iter().flatten());
        Ok(checked)
    }

    /// Asks one coordinator for one name after the other, and then reads all committed offsets at once. A broker handles the
    /// requests of a connection one after the other, so requests at the same time would measure their own queue.
    async fn ask(&self, broker: BrokerId, names: &[(i32, Arc<str>)]) -> BTreeMap<i32, Checked> {
        let mut checked = BTreeMap::new();
        let mut done = Vec::new();
        let failed = |fault| Checked::failed(Some(broker), self.work.api(), fault);
        let mut left = names.iter();
        for (partition, name) in left.by_ref().take_while(|_| Instant::now() < self.last_begin) {
            match self.in_time(self.first(broker, name)).await {
                Ok(Ok(duration)) => done.push((*partition, name.clone(), duration)),
                Ok(Err(fault)) => _ = checked.insert(*partition, failed(fault)),
                Err(error) => {
                    // A broker that does not answer is not asked again in this cycle: the others would fail in the same way.
                    checked.insert(*partition, failed(error.fault()));
                    checked.extend(left.map(|(partition, _)| (*partition, failed(error.fault()))));
                    break;
                }
            }
        }
        checked.extend(match &self.work {
            Work::Commit { at, offset, identity } => self.read(broker, done, at, *offset, *identity).await,
            Work::InitProducerId => {
                let good = |(partition, _, took)| {
                    let durations = vec![(Api::InitProducerId, took)];
                    (partition, Checked { broker: Some(broker), durations, failed: None })
                };
                done.into_iter().map(good).collect()
            }
        });
        checked
    }

    /// The first request for one name.
    async fn first(&self, broker: BrokerId, name: &str) -> Result<Result<Duration, Fault>, Error> {
        match &self.work {
            Work::Commit { at, offset, identity } => {
                admin::commit_offset(self.wire, broker, name, at, &commit(*offset, *identity)).await
            }
            Work::InitProducerId => admin::init_producer_id(self.wire, broker, name).await,
        }
    }

    /// Reads what was committed.
    async fn read(
        &self,
        broker: BrokerId,
        committed: Vec<(i32, Arc<str>, Duration)>,
        at: &TopicPartition,
        offset: i64,
        identity: Identity,
    ) -> BTreeMap<i32, Checked> {
        if committed.is_empty() {
            return BTreeMap::new();
        }
        let groups: Vec<_> = committed.iter().map(|(_, group, _)| group.clone()).collect();
        let read = self.in_time(async { Ok(admin::read_commits(self.wire, broker, &groups, at).await) });
        let mut read = match read.await {
            Ok(read) => read,
            Err(error) => groups.iter().map(|group| (group.clone(), Err(error.fault()))).collect(),
        };
        let of_partition = |(partition, group, commit): (i32, Arc<str>, Duration)| {
            let fetched = read.remove(&group).unwrap_or(Err(Fault::Protocol));
            let mut durations = vec![(Api::OffsetCommit, commit)];
            let fault = match fetched.map(|read| (compare(&read, offset, identity), read.duration)) {
                Ok((Ok(()), duration)) => {
                    durations.push((Api::OffsetFetch, duration));
                    None
                }
                Ok((Err(fault), _)) | Err(fault) => Some(fault),
            };
            let failed = fault.map(|fault| (Api::OffsetFetch, fault));
            (partition, Checked { broker: Some(broker), durations, failed })
        };
        committed.into_iter().map(of_partition).collect()
    }

    /// The result of a request, if it comes before the deadline.
    async fn in_time<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        within(self.deadline, "coordinators", request).await
    }
}

fn commit(offset: i64, identity: Identity) -> Commit {
    Commit { offset, metadata: identity.to_string() }
}

/// Whether the coordinator returned what it has acknowledged. Another instance of the service with the same heartbeat
/// topic commits for the same groups, so its commit may have replaced ours.
///
/// # Errors
/// The fault with which the coordinator refused the request, or [`Fault::Other`] if it returned something else.
fn compare(read: &ReadBack, offset: i64, identity: Identity) -> Result<(), Fault> {
    let found = read.commit.as_ref().map_err(|fault| *fault)?;
    let is_good = found.as_ref().is_some_and(|found| {
        *found == commit(offset, identity) || identity.may_be_replaced_by(&found.metadata)
    });
    if is_good { Ok(()) } else { Err(Fault::Other) }
}
