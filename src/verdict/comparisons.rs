//! What the probes that compare brokers, replicas and coordinators have found, as facts for the diagnosis.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    diagnosis::{Coordinators, Difference, Replicas, Transactions},
    kafka::{BrokerId, admin::Coordinated},
    probe::{
        agreement::Disagreement,
        connectivity, coordinators, extra_sessions, replicas,
        transaction_probe::{self, Outcome, Step},
    },
    task::Latest,
};

/// The checks of a coordinator have failed for so long if it is not just being moved.
const MOVES: Duration = Duration::from_secs(5);

/// The partitions of the topic whose coordinators have failed for longer than a move takes, by their checks.
pub(super) fn coordinators(
    of: Coordinated,
    latest: &Latest<coordinators::Snapshot>,
) -> impl Iterator<Item = ((Coordinated, Option<BrokerId>), Coordinators)> {
    let mut failing: BTreeMap<Option<BrokerId>, Coordinators> = BTreeMap::new();
    let checks = latest.fresh().into_iter().flat_map(|snapshot| &snapshot.partitions);
    for (partition, check) in checks {
        let failure =
            check.failure.filter(|failure| check.at.saturating_duration_since(failure.since) >= MOVES);
        if let Some(failure) = failure {
            let since =
                SystemTime::now().checked_sub(failure.since.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH);
            let none = Coordinators { partitions: Vec::new(), fault: failure.fault, since };
            let failing = failing.entry(check.broker).or_insert(none);
            failing.since = failing.since.min(since);
            failing.partitions.push(*partition);
        }
    }
    failing.into_iter().map(move |(broker, failing)| ((of, broker), failing))
}

/// The transactions of the service that fail. `None` if none does, and if a visible record is all that is wrong: no component is
/// to blame for that by the transactions alone.
pub(super) fn transactions(latest: &Latest<transaction_probe::Snapshot>) -> Option<Transactions> {
    let failing = latest.fresh()?.failing.as_ref()?;
    let (last, since) = (&failing.last, failing.since);
    let brokers = match last.outcome {
        Outcome::AbortedVisible => return None,
        // The coordinator writes the end of the transaction to the leader.
        Outcome::NotVisible | Outcome::NotEnded => [last.coordinator, last.leader],
        _ => match last.failure.map(|(step, _)| step) {
            // The partition is added to the transaction at the coordinator, and the record is written to the leader.
            Some(Step::Produce) => [last.coordinator, last.leader],
            _ => [last.coordinator, None],
        },
    };
    let words = last.words();
    Some(Transactions {
        brokers: brokers.into_iter().flatten().collect(),
        times: failing.times,
        words,
        since,
    })
}

/// The brokers whose metadata differ from those of the others.
pub(super) fn differing(
    connectivity: &Latest<connectivity::Snapshot>,
    extra: &extra_sessions::Snapshot,
) -> BTreeMap<BrokerId, Difference> {
    let agreement = connectivity.fresh().into_iter().flat_map(|snapshot| &snapshot.agreement);
    let compared = agreement.filter_map(|(broker, difference)| Some((*broker, difference.clone()?)));
    let checked = |broker: &BrokerId| Some(connectivity.fresh()?.brokers.get(broker)?.at);
    let newer = extra.iter().filter(|(broker, session)| checked(broker).is_none_or(|at| session.at > at));
    let extra = newer.filter_map(|(id, session)| Some((*id, Disagreement::OtherBroker(session.refused?))));
    let difference = |(broker, difference): (BrokerId, Disagreement)| {
        let is_other_broker = matches!(difference, Disagreement::OtherBroker(_));
        (broker, Difference { sentence: difference.sentence(broker), is_other_broker })
    };
    compared.chain(extra).map(difference).collect()
}

/// What is wrong with the replicas of each broker.
pub(super) fn replicas(latest: &Latest<replicas::Snapshot>) -> BTreeMap<BrokerId, Replicas> {
    let brokers = latest.fresh().into_iter().flat_map(|snapshot| &snapshot.brokers);
    let trouble = |(broker, replica): (&BrokerId, &replicas::Replica)| {
        let mut damaged: Vec<i32> = replica.damaged.iter().map(|damage| damage.partition).collect();
        damaged.dedup();
        let late: Vec<i32> = replica.late.iter().copied().collect();
        (!damaged.is_empty() || !late.is_empty()).then_some((*broker, Replicas { damaged, late }))
    };
    brokers.filter_map(trouble).collect()
}
