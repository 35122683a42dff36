//! Faults of the network between the service and the brokers, and of names. The brokers are healthy.

use std::time::Duration;

use crate::{
    case::{
        Case, Confidence,
        Subject::{Any, Named, Second, Victim},
        Way,
    },
    scene::Scene,
    support::kafka::{Listener, proxy::NetworkFault},
};

/// Every broker.
const ALL: [i32; 3] = [1, 2, 3];

/// A second section for the same cluster, whose listener has no fault.
fn with_a_second_listener(scene: &Scene) -> String {
    format!(
        "[cluster:inside]\nbootstrap.servers = {}\nheartbeat.topic = {}-inside\nlag.enabled = false\n\
         freshness.enabled = false\ntransactions.enabled = false\n",
        scene.world.kafka.bootstrap(Listener::Plaintext),
        scene.topic
    )
}

pub(crate) fn cases() -> Vec<Case> {
    [one_broker(), slow(), many_brokers(), addresses(), names()].into_iter().flatten().collect()
}

fn one_broker() -> Vec<Case> {
    let one =
        |name, inject, heal| Case::new(name, Way::Proxies, inject, heal).wants(&[&[("broker", Victim)]]);
    vec![
        one("one broker: packets are dropped", |s| s.set(&[s.victim], NetworkFault::Dropped), Scene::restore),
        one(
            "one broker: connections are refused",
            |s| s.set(&[s.victim], NetworkFault::Refused),
            Scene::restore,
        ),
        one(
            "one broker: connections are reset after 1 KB",
            |s| s.set(&[s.victim], NetworkFault::ResetAfter(1024)),
            Scene::restore,
        ),
        one(
            "one broker: connections are half-open",
            |s| s.set(&[s.victim], NetworkFault::Silent),
            Scene::restore,
        ),
        // The connections that are open stay good. A connectivity check finds the fault, every five seconds.
        one(
            "one broker: new connections are closed",
            |s| s.set(&[s.victim], NetworkFault::Closing),
            Scene::restore,
        )
        .least(Confidence::Suspected)
        .within(8, 8),
    ]
}

fn slow() -> Vec<Case> {
    let one =
        |name, inject, heal| Case::new(name, Way::Proxies, inject, heal).wants(&[&[("broker", Victim)]]);
    vec![
        one(
            "one broker: responses are 2 s late",
            |s| s.set(&[s.victim], NetworkFault::Delay(Duration::from_secs(2))),
            Scene::restore,
        ),
        one(
            "one broker: responses are 200 ms late",
            |s| s.set(&[s.victim], NetworkFault::Delay(Duration::from_millis(200))),
            Scene::restore,
        )
        .least(Confidence::Suspected)
        // Heartbeats are still good. The connectivity check of every five seconds shows it, and one more session right after.
        .within(6, 6),
        one(
            "one broker: responses are 50 ms late",
            |s| s.set(&[s.victim], NetworkFault::Delay(Duration::from_millis(50))),
            Scene::restore,
        )
        .least(Confidence::Suspected)
        .within(8, 8),
        // Records of 16 KB a second are written and read.
        one(
            "one broker: 10 KB/s in each direction",
            |s| s.set(&[s.victim], NetworkFault::Bandwidth(10_000)),
            Scene::restore,
        )
        .settings(|_| "heartbeat.payload.bytes = 16384\n".to_owned()),
        // Most sessions lose a packet and some do not.
        one(
            "one broker: every fifth packet is lost",
            |s| s.set(&[s.victim], NetworkFault::Loss),
            Scene::restore,
        )
        .least(Confidence::Suspected)
        .within(12, 12)
        .hold(12),
    ]
}

fn many_brokers() -> Vec<Case> {
    vec![
        Case::new(
            "two brokers: one is refused, one is silent",
            Way::Proxies,
            |s| {
                s.set(&[s.victim], NetworkFault::Refused);
                s.set(&[s.second], NetworkFault::Silent)
            },
            Scene::restore,
        )
        .wants(&[&[("broker", Victim)], &[("broker", Second)]]),
        Case::new(
            "one rack: packets are dropped",
            Way::Proxies,
            |s| s.set(&[1, 2], NetworkFault::Dropped),
            Scene::restore,
        )
        .wants(&[&[("rack", Named("a"))]]),
        Case::new(
            "all brokers: packets are dropped",
            Way::Proxies,
            |s| s.set(&ALL, NetworkFault::Dropped),
            Scene::restore,
        )
        .wants(&[&[("client_network", Any), ("cluster", Any)]]),
        Case::new(
            "one listener: packets are dropped at all brokers",
            Way::Proxies,
            |s| s.set(&ALL, NetworkFault::Dropped),
            Scene::restore,
        )
        .settings(with_a_second_listener)
        .wants(&[&[("listener", Any)]]),
    ]
}

fn addresses() -> Vec<Case> {
    vec![
        Case::new(
            "one broker: one listener advertises a wrong address",
            Way::Proxies,
            |s| s.set(&[s.victim], NetworkFault::Refused),
            Scene::restore,
        )
        .settings(with_a_second_listener)
        .wants(&[&[("listener", Any)]]),
        // The other brokers say for 20 s that the broker is in sync.
        Case::new(
            "one broker: refused, and in sync for 20 s",
            Way::Proxies,
            |s| s.set(&[s.victim], NetworkFault::Refused),
            Scene::restore,
        )
        .wants(&[&[("listener", Victim)]])
        .beside(&[("broker", Victim)])
        .within(25, 25)
        .hold(26),
        Case::new(
            "two brokers: their addresses are swapped",
            Way::Proxies,
            |s| {
                let lane = s.lane();
                lane.proxy(s.victim).lead_to(lane.port(s.second));
                lane.proxy(s.second).lead_to(lane.port(s.victim));
                [s.victim, s.second].iter().for_each(|id| lane.proxy(*id).cut());
                std::time::Instant::now()
            },
            Scene::reconnect,
        )
        .wants(&[&[("listener", Any), ("metadata", Any)]]),
    ]
}

fn names() -> Vec<Case> {
    vec![
        Case::new(
            "one broker: its name does not resolve",
            Way::Names,
            |s| {
                s.world.names.fail(&[s.victim]);
                s.lane().proxy(s.victim).cut();
                std::time::Instant::now()
            },
            |s| {
                s.world.names.fail(&[]);
                s.restore()
            },
        )
        .wants(&[&[("dns", Victim)]]),
        Case::new(
            "all brokers: no name resolves",
            Way::Names,
            |s| {
                s.world.names.fail(&ALL);
                s.reconnect()
            },
            |s| {
                s.world.names.fail(&[]);
                s.restore()
            },
        )
        .wants(&[&[("dns", Named(""))]])
        .beside(&[("dns", Any)]),
    ]
}
