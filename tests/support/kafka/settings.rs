//! A broker's settings: three combined KRaft nodes with every listener a client could meet.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use super::{HEARTBEAT, Listener, NOBODY, free_port};

/// The ports of one broker.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    clients: [u16; 4],
    controller: u16,
}

impl Ports {
    /// Free ports, for one broker.
    pub(crate) fn free() -> Self {
        Self { clients: [(); 4].map(|()| free_port()), controller: free_port() }
    }

    /// The port of the controller.
    pub(crate) fn controller(&self) -> u16 {
        self.controller
    }

    /// The port of a listener.
    pub(crate) fn of(&self, listener: Listener) -> u16 {
        self.clients[listener as usize]
    }
}

/// A listener of every broker beside those of every cluster.
#[derive(Debug, Clone)]
pub(crate) struct FurtherListener {
    /// The name of the listener, in capital letters.
    pub(crate) name: String,
    /// The security protocol of the listener, such as `SASL_PLAINTEXT`.
    pub(crate) protocol: &'static str,
    /// The port at each broker.
    pub(crate) ports: Vec<u16>,
    /// `HOST:PORT` of each broker in the metadata that this listener answers with.
    pub(crate) advertised: Vec<String>,
}

/// The ways between the controllers, if they lead through proxies.
#[derive(Debug, Clone)]
pub(crate) struct Quorum {
    /// The port of the listener of each controller.
    pub(crate) ports: Vec<u16>,
    /// The port at which the other nodes find a controller after their first connection to it.
    pub(crate) advertised: Vec<u16>,
    /// The ports at which each node connects to the controllers: by node, and then by controller.
    pub(crate) voters: Vec<Vec<u16>>,
}

/// What a cluster has beside what every cluster of the tests has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    /// Lines of `server.properties`. A line here replaces an earlier line with the same key.
    pub(crate) properties: String,
    /// Arguments for the Java virtual machine of each broker.
    pub(crate) flags: Vec<String>,
    /// Further listeners of each broker.
    pub(crate) listeners: Vec<FurtherListener>,
    /// The ways between the controllers. Without them, they connect to each other directly.
    pub(crate) quorum: Option<Quorum>,
    /// A library that moves the wall clock of each broker: see [`super::Broker::set_clock`].
    pub(crate) clock: Option<PathBuf>,
    /// The rack of each broker in the order of their ids; without it the racks are a, b, c.
    pub(crate) racks: &'static [&'static str],
    /// Whether the process of each broker has a group of its own, by which [`super::cut::Cut`] knows it. Needs root.
    pub(crate) own_groups: bool,
}

/// `server.properties` of node `id`, counted from 1. `advertised` is the port that the metadata name for the plaintext
/// listener, if it is another than the listener's own.
pub(crate) fn server_properties(
    id: usize,
    all: &[Ports],
    folder: &Path,
    advertised: Option<u16>,
    extras: &Extras,
) -> String {
    let ports = &all[id - 1];
    let replicas = all.len().min(3);
    let rack = extras.racks.get(id - 1).copied().unwrap_or(["a", "b", "c"][(id - 1) % 3]);
    let own_voters = || all.iter().map(|ports| ports.controller).collect();
    let voters: Vec<u16> =
        extras.quorum.as_ref().map_or_else(own_voters, |quorum| quorum.voters[id - 1].clone());
    let voters: Vec<_> = (1..).zip(voters).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
    let controller = extras.quorum.as_ref().map_or(ports.controller, |quorum| quorum.ports[id - 1]);
    let at = |listener: Listener, port: u16| format!("{}://127.0.0.1:{port}", listener.name());
    let clients = Listener::ALL.map(|listener| at(listener, ports.of(listener)));
    let own = at(Listener::Plaintext, ports.of(Listener::Plaintext));
    let named = advertised.map_or_else(|| own.clone(), |port| at(Listener::Plaintext, port));
    let mut advertised = clients.join(",").replace(&own, &named);
    let (mut listeners, mut protocols) = (clients.join(","), String::new());
    for FurtherListener { name, protocol, ports, advertised: addresses } in &extras.listeners {
        write!(listeners, ",{name}://127.0.0.1:{}", ports[id - 1]).unwrap();
        write!(advertised, ",{name}://{}", addresses[id - 1]).unwrap();
        write!(protocols, ",{name}:{protocol}").unwrap();
    }
    if let Some(quorum) = &extras.quorum {
        write!(advertised, ",CONTROLLER://127.0.0.1:{}", quorum.advertised[id - 1])
            .expect("a String takes any text");
    }
    let mut text = format!(
        "process.roles=broker,controller
node.id={id}
broker.rack={rack}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,\
MUTUAL_TLS:SSL,CONTROLLER:PLAINTEXT{protocols}
log.dirs={data}
default.replication.factor={replicas}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr=1
",
        voters = voters.join(","),
        data = folder.join("data").display(),
    );
    text.push_str(FIXED);
    security(&mut text, folder.parent().expect("brokers share the cluster's folder"));
    text
}

/// Settings that all nodes share: no automatic changes, a quick failover, little memory.
/// Transactions are not verified: one that hangs can be made.
const FIXED: &str = "auto.create.topics.enable=false
auto.leader.rebalance.enable=false
offsets.topic.num.partitions=12
transaction.state.log.num.partitions=4
transaction.partition.verification.enable=false
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=6000
replica.lag.time.max.ms=5000
controlled.shutdown.enable=true
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=1000
log.segment.bytes=16777216
log.index.size.max.bytes=1048576
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=5000
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:heartbeat;User:CN=heartbeat
listener.name.mutual_tls.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.truststore.type=PEM
";

fn security(text: &mut String, cluster: &Path) {
    let jaas = "org.apache.kafka.common.security";
    for listener in ["sasl_plaintext", "sasl_ssl"] {
        let prefix = format!("listener.name.{listener}");
        writeln!(
            text,
            "{prefix}.plain.sasl.jaas.config={jaas}.plain.PlainLoginModule required \
             user_{}=\"{}\" user_{}=\"{}\";",
            HEARTBEAT.user, HEARTBEAT.password, NOBODY.user, NOBODY.password
        )
        .unwrap();
        for mechanism in ["scram-sha-256", "scram-sha-512"] {
            writeln!(text, "{prefix}.{mechanism}.sasl.jaas.config={jaas}.scram.ScramLoginModule required;")
                .unwrap();
        }
    }
    writeln!(text, "ssl.keystore.location={}", cluster.join("broker-keystore.pem").display()).unwrap();
    writeln!(text, "ssl.truststore.location={}", cluster.join("ca.pem").display()).unwrap();
}

/// Gives another node the formatted storage of the first: the same cluster and users, its own id.
/// A missing `directory.id` is made up by the node at its start.
pub(crate) fn copy_format(first: &Path, other: &Path, id: usize) {
    // Where the first metadata are depends on the version: in the folder itself, or from Kafka 4.2 on in the log of the quorum.
    for folder in ["", "__cluster_metadata-0"] {
        let Ok(files) = fs::read_dir(first.join(folder)) else { continue };
        let files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        for file in files.iter().filter(|file| file.extension().is_some_and(|name| name == "checkpoint")) {
            let copied = other.join(folder);
            fs::create_dir_all(&copied).expect("a folder");
            fs::copy(file, copied.join(file.file_name().expect("a file has a name"))).expect("a copy");
        }
    }
    let properties = fs::read_to_string(first.join("meta.properties")).unwrap();
    let lines = properties.lines().filter(|line| !line.starts_with("directory.id="));
    let text: Vec<_> = lines
        .map(|line| if line.starts_with("node.id=") { format!("node.id={id}") } else { line.to_owned() })
        .collect();
    fs::write(other.join("meta.properties"), text.join("\n") + "\n").unwrap();
}
