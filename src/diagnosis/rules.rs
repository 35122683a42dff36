//! The rules in their order. A rule explains symptoms away from the rules after it.

use super::{access, brokers, finding::Finding, open::Open, scene::Scene};

/// What the rules found in one scene, and the symptoms that are left over.
pub(super) fn apply(scene: &Scene) -> (Vec<Finding>, Vec<String>) {
    let mut open = Open::new(scene);
    let rules: [fn(&mut Open<'_>); 19] = [
        access::prober,
        access::login,
        access::bootstrap,
        access::names,
        access::network,
        access::credentials,
        access::certificates,
        access::authorization,
        access::topic,
        brokers::racks,
        brokers::failed_sessions,
        access::quotas,
        brokers::leaders,
        brokers::slow,
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
