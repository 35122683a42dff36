//! A broker that reads from remote storage, and one that cannot.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use kafka_heartbeat::{
    kafka::{BrokerId, Capability, Fault},
    probe::remote_reads::{Failing, Reads, Snapshot},
};

use super::{buckets, ms};

/// Reads of 80 and 130 ms at one broker, and two failures in a row at the other one.
pub(crate) fn remote_reads(wall: SystemTime) -> Snapshot {
    let failing = Failing {
        times: 2,
        since: wall - Duration::from_secs(120),
        fault: Fault::Timeout,
        partition: 1,
        offset: 17,
    };
    let good = Reads {
        partitions: Some(2),
        reads: 2,
        durations: buckets(&[ms(80), ms(130)]),
        last: Some(ms(130)),
        ..Reads::default()
    };
    let bad = Reads {
        partitions: Some(1),
        reads: 3,
        failures: BTreeMap::from([(Fault::Timeout, 2)]),
        durations: buckets(&[ms(90)]),
        last: None,
        failing: Some(failing),
    };
    Snapshot {
        capability: Capability::Ok,
        brokers: BTreeMap::from([(BrokerId(1), good), (BrokerId(2), bad)]),
    }
}
