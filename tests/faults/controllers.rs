//! Faults of the controllers, and of the ways between them and the brokers.

use std::time::{Duration, Instant};

use kafka_heartbeat::kafka::admin;

use crate::{
    brokers::{kill, restart},
    case::{
        Case,
        Subject::{Any, Victim},
        Way,
    },
    scene::Scene,
    support::{kafka::proxy::NetworkFault, wait_for},
};

pub(crate) fn cases() -> Vec<Case> {
    let fault = |name, inject, heal| Case::new(name, Way::Direct, inject, heal);
    vec![
        fault("the active controller: killed", kill, restart)
            .on_the_controller()
            .wants(&[&[("broker", Victim)]]),
        fault("the controllers: no quorum", |s| set_all(s, NetworkFault::Refused), mend)
            .wants(&[&[("controller", Any)]])
            .within(20, 23),
        // The controller takes the leaderships of the broker away after six seconds. Heartbeats stay good.
        fault("one broker: cut off from the active controller", cut_off, mend)
            .beside(&[("metadata", Any), ("broker", Victim)])
            .hold(12),
    ]
}

fn set_all(scene: &Scene, fault: NetworkFault) -> Instant {
    let now = Instant::now();
    scene.world.links.set_all(fault);
    now
}

fn cut_off(scene: &Scene) -> Instant {
    let now = Instant::now();
    scene.world.links.set(scene.victim, NetworkFault::Refused);
    now
}

/// Mends all ways, and waits until the controllers have a leader and all replicas are in sync.
fn mend(scene: &Scene) -> Instant {
    let now = set_all(scene, NetworkFault::Absent);
    wait_for("a leader of the controllers", Duration::from_secs(60), || {
        scene.world.try_administer(async |wire| admin::describe_quorum(wire).await)
    });
    scene.broker().wait_until_known();
    now
}
