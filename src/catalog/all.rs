//! The one list of families, and of the labels that they carry.

use super::{
    Description, cluster, collect, compat, connect, coordinators, credentials, diagnosis, durability,
    heartbeat, judge, log_dirs, mirrors, negative_checks, process, remote_reads, replicas, requests,
    schema_registry, target, tasks, topic, transaction_coordinators, transaction_probe, transactions,
};

/// The families of each file, in the order in which they are served.
const FILES: &[&[&Description]] = &[
    heartbeat::ALL,
    diagnosis::ALL,
    cluster::ALL,
    topic::ALL,
    coordinators::ALL,
    transaction_coordinators::ALL,
    transaction_probe::ALL,
    replicas::ALL,
    remote_reads::ALL,
    durability::ALL,
    requests::ALL,
    credentials::ALL,
    tasks::ALL,
    process::ALL,
    collect::ALL,
    judge::ALL,
    log_dirs::ALL,
    transactions::ALL,
    schema_registry::ALL,
    negative_checks::ALL,
    connect::ALL,
    mirrors::ALL,
];

/// Every family, in the order in which they are served: ours, then the names of older programs.
pub fn all() -> impl Iterator<Item = &'static Description> {
    FILES.iter().copied().flatten().copied().chain(compat::all())
}

/// The name of every label that a series may carry. A name may come more than once.
pub fn labels() -> impl Iterator<Item = &'static str> {
    let families = all().chain(compat::klag_exporter::ALL.iter().copied()).chain(target::ALL.iter().copied());
    families.flat_map(|family| family.labels.iter().copied())
}
