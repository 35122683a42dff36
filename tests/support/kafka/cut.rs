//! A broker that reaches the controllers no more, while clients and the other brokers reach it.

use std::process::Command;

use super::Broker;

/// The group of the first broker's process, if each broker has a group of its own. No user has it.
const FIRST_GROUP: i32 = 64_100;

/// The program and its first arguments, which start a broker in a group of its own.
pub(super) fn in_own_group(broker: i32) -> [String; 4] {
    ["setpriv".to_owned(), "--regid".to_owned(), group(broker).to_string(), "--clear-groups".to_owned()]
}

fn group(broker: i32) -> i32 {
    FIRST_GROUP + broker
}

/// A rule of the packet filter: what a broker sends to the controllers of the others is dropped. Dropping it removes the rule.
pub(crate) struct Cut {
    table: String,
}

impl Cut {
    /// Drops all packets of processes in the group of `broker` to the controllers of the others.
    pub(crate) fn between(broker: &Broker, others: &[Broker]) -> Self {
        let table = format!("kafka_heartbeat_{}_{}", std::process::id(), broker.id);
        let cut = Self { table };
        let ports = others.iter().filter(|other| other.id != broker.id);
        let ports: Vec<_> = ports.map(|other| other.ports.controller().to_string()).collect();
        let group = group(broker.id);
        nft(&format!("add table inet {}", cut.table));
        nft(&format!("add chain inet {} out {{ type filter hook output priority 0; }}", cut.table));
        let to = format!("ip daddr 127.0.0.1 tcp dport {{ {} }}", ports.join(", "));
        nft(&format!("add rule inet {} out meta skgid {group} {to} drop", cut.table));
        cut
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        nft(&format!("delete table inet {}", self.table));
    }
}

fn nft(command: &str) {
    let done = Command::new("nft").arg(command).output().expect("nft can be run");
    assert!(done.status.success(), "nft {command}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Whether this user may change the packet filter.
pub(crate) fn may_cut() -> bool {
    let asked = Command::new("nft").args(["list", "tables"]).output();
    asked.is_ok_and(|done| done.status.success())
}
