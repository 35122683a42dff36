//! The rules in their order. A rule explains symptoms away from the rules after it.

use super::{access, brokers, finding::Finding, open::Open, scene::Scene};

/// What the rules found in one scene, and the symptoms that are left over.
pub(super) fn apply(scene: &Scene) -> (Vec<Finding>, Vec<String>) {
    let mut open = Open::new(scene);
    let rules: [fn(&mut Open<'_>); 18] = [
        access::prober,
        access::login,
        access::bootstrap,
        access::names,
        access::network,
        access::credentials,
        access::certificates,
        access::authorization,
        access::topic,
        access::quotas,
        brokers::racks,
        brokers::failed_sessions,
        brokers::leaders,
        brokers::absent,
        brokers::replicas,
        brokers::everything,
        access::controller,
        brokers::coordinators,
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
