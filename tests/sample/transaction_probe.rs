//! The transactions of the first cluster.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use kafka_heartbeat::{
    kafka::{BrokerId, Capability, Fault},
    probe::transaction_probe::{Counts, Exposed, ExposedRecords, Failing, Last, Outcome, Snapshot, Step},
};

use super::{HOSTILE, buckets, ms};

/// Transactions that fail in the commit since a moment ago, after an aborted record was visible.
pub(super) fn transaction_probe(wall: SystemTime) -> Snapshot {
    let minute = Duration::from_secs(60);
    let last = Last {
        number: 42,
        outcome: Outcome::TimedOut,
        failure: Some((Step::Commit, Fault::Timeout)),
        coordinator: Some(BrokerId(2)),
        partition: Some(1),
        leader: Some(BrokerId(1)),
        at: wall - minute / 10,
    };
    let mut exposed = ExposedRecords::default();
    exposed.add(Exposed { partition: 1, offset: 17, at: wall - 10 * minute });
    let durations = [&[30][..], &[1, 1], &[4, 6], &[5], &[7], &[2, 3]];
    Snapshot {
        capability: Capability::Ok,
        id: HOSTILE.into(),
        topic: "kafka-heartbeat-transactions".into(),
        counts: Counts {
            begun: 42,
            outcomes: [29, 6, 0, 1, 1, 0, 2, 1, 0, 1],
            failures: BTreeMap::from([((Step::Commit, Fault::Timeout), 2)]),
            durations: durations.map(|times| buckets(&times.iter().copied().map(ms).collect::<Vec<_>>())),
        },
        exposed,
        ended_open: 1,
        is_fenced: false,
        last: Some(last.clone()),
        failing: Some(Failing { last, times: 2, since: wall - minute / 3 }),
    }
}
