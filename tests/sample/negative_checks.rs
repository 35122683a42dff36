//! A broker that accepts what it should refuse.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use kafka_heartbeat::{
    kafka::{BrokerId, Stranger},
    probe::negative_checks::{Acceptance, Acceptances, Answer, Attempt, Check, Snapshot},
};

/// Of two brokers, one accepts sessions without a login, and the other one did not answer in time.
pub(crate) fn negative_checks(wall: SystemTime) -> Snapshot {
    let at = wall - Duration::from_secs(600);
    let (anonymous, topic) = (Attempt::session(Stranger::Anonymous), Attempt::topic("payments"));
    let mut acceptances = Acceptances::default();
    acceptances.add(Acceptance { broker: BrokerId(1), attempt: anonymous.clone(), at });
    Snapshot {
        brokers: BTreeMap::from([
            (
                BrokerId(1),
                BTreeMap::from([(anonymous.clone(), Answer::Accepted), (topic.clone(), Answer::Refused)]),
            ),
            (BrokerId(2), BTreeMap::from([(anonymous.clone(), Answer::Unknown), (topic, Answer::Refused)])),
        ]),
        accepted: BTreeMap::from([((BrokerId(1), anonymous), at)]),
        counts: BTreeMap::from([
            ((Check::Session(Stranger::Anonymous), Answer::Accepted), 2),
            ((Check::Session(Stranger::Anonymous), Answer::Refused), 31),
            ((Check::Session(Stranger::Anonymous), Answer::Unknown), 1),
            ((Check::ForbiddenTopic, Answer::Refused), 34),
        ]),
        acceptances,
    }
}
