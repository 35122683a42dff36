//! Suspects, and how sure the diagnosis is of each.

use std::{fmt, time::SystemTime};

use crate::closed_enum::closed_enum;

closed_enum! {
    /// What kind of component is suspected. Values are added and never removed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Kind {
        /// This process itself.
        Prober = "prober",
        /// The network between this machine and every broker.
        ClientNetwork = "client_network",
        /// The names of brokers, or the resolver of this machine.
        Dns = "dns",
        /// The identity provider that issues tokens or tickets.
        IdentityProvider = "identity_provider",
        /// The credentials of this service.
        Credentials = "credentials",
        /// The certificate of a broker, or the CA that signed it.
        Certificate = "certificate",
        /// The address at which clients should reach a broker.
        Listener = "listener",
        /// A broker.
        Broker = "broker",
        /// The replicas of a broker, while its sessions work.
        Replica = "replica",
        /// All brokers of a rack.
        Rack = "rack",
        /// The controller of the cluster.
        Controller = "controller",
        /// The metadata that brokers answer with.
        Metadata = "metadata",
        /// The coordinators of consumer groups.
        GroupCoordinator = "group_coordinator",
        /// The coordinators of transactions.
        TransactionCoordinator = "transaction_coordinator",
        /// The settings of the heartbeat topic.
        TopicConfig = "topic_config",
        /// A quota of the cluster.
        Quota = "quota",
        /// The permissions of this service.
        Authorization = "authorization",
        /// The Schema Registry beside the cluster, or a node of it.
        SchemaRegistry = "schema_registry",
        /// A Kafka Connect cluster beside the cluster, or a worker of it.
        Connect = "connect",
        /// A mirror that copies the heartbeats of another cluster to the cluster.
        Mirror = "mirror",
        /// The cluster as a whole.
        Cluster = "cluster",
    }
}

impl Kind {
    /// Whether nothing else can be known of the cluster while this is a suspect: the service cannot measure, or cannot log in.
    pub fn hides_others(self) -> bool {
        matches!(self, Kind::Prober | Kind::IdentityProvider | Kind::Credentials)
    }

    /// Whether this is a service beside Kafka, which explains no symptom of Kafka.
    pub fn is_beside_kafka(self) -> bool {
        matches!(self, Kind::SchemaRegistry | Kind::Connect | Kind::Mirror)
    }
}

closed_enum! {
    /// How sure the diagnosis is of a suspect. A surer one has a higher number.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Confidence {
        /// One piece of evidence, which a planned change may explain as well.
        Suspected = "suspected",
        /// Two independent pieces of evidence, or one that has lasted for two seconds.
        Likely = "likely",
        /// Two independent pieces of evidence that have lasted for ten seconds, or one that cannot mean anything else.
        Certain = "certain",
    }
}

impl Confidence {
    /// The number for metrics: 1 for suspected, 2 for likely, 3 for certain.
    pub fn level(self) -> u64 {
        self as u64 + 1
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A component that is suspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The kind of the component.
    pub kind: Kind,
    /// Which one: the id of a broker, a rack, a host name, a topic or a request. Empty for a kind of which there is only one. The
    /// text may be hostile.
    pub subject: String,
    /// How sure the diagnosis is.
    pub confidence: Confidence,
    /// Since when it has been suspected.
    pub since: SystemTime,
    /// What is wrong with it, as a sentence without a full stop: `Broker 3 does not answer`.
    pub headline: String,
    /// The evidence, each a sentence without a capital letter and a full stop. The text may be hostile.
    pub evidence: Vec<String>,
    /// What speaks against it, as the evidence.
    pub against: Vec<String>,
    /// What would confirm or mend it, as a request to the reader without a capital letter and a full stop.
    pub confirm: &'static str,
}

/// All suspects of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnosis {
    /// The suspects, the surest first.
    pub suspects: Vec<Suspect>,
    /// Symptoms that no suspect explains, each a sentence without a capital letter and a full stop.
    pub unexplained: Vec<String>,
}
