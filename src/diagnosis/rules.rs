//! The rules in their order. A rule explains symptoms away from the rules after it.

use super::{
    access, brokers, connect, coordinators,
    finding::Finding,
    listeners, metadata, mirrors,
    open::{Open, Recovering},
    registry, replicas,
    scene::Scene,
    topic, transactions,
};

/// What the rules found in one scene, and the symptoms that are left over. `departed` says whether a broker that failed has left
/// the metadata. What is in `recovering` is explained by an earlier suspect.
pub(super) fn apply(scene: &Scene, departed: bool, recovering: &Recovering) -> (Vec<Finding>, Vec<String>) {
    let mut open = Open::new(scene, departed, recovering);
    let rules: &[fn(&mut Open<'_>)] = &[
        access::prober,
        access::login,
        access::bootstrap,
        access::names,
        listeners::listeners,
        access::network,
        access::credentials,
        access::certificates,
        access::authorization,
        topic::missing,
        topic::setting,
        brokers::racks,
        brokers::failed_sessions,
        metadata::other_brokers,
        metadata::old_metadata,
        access::quotas,
        brokers::leaders,
        brokers::slow,
        brokers::absent,
        topic::replicas,
        brokers::everything,
        access::controller,
        coordinators::coordinators,
        transactions::transactions,
        replicas::reads,
        registry::registry,
        connect::connect,
        mirrors::mirrors,
        access::stall,
    ];
    for rule in rules {
        rule(&mut open);
        if open.is_closed() {
            return (open.found, Vec::new());
        }
    }
    let unexplained = open.unexplained();
    (open.found, unexplained)
}
