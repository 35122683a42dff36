//! What a rule found.

use std::collections::BTreeSet;

use super::suspect::Kind;
use crate::kafka::BrokerId;

/// How much the evidence of one moment proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// One piece of evidence that a planned change explains as well. It never makes a suspect likely.
    Hint,
    /// One piece of evidence. A suspect becomes likely if it lasts.
    One,
    /// Two independent pieces of evidence: the suspect is likely at once, and certain if they last.
    Two,
    /// Evidence that cannot mean anything else.
    Proof,
}

/// A suspect of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    pub(super) subject: String,
    pub(super) weight: Weight,
    /// A sentence without a full stop.
    pub(super) headline: String,
    /// Sentences without a capital letter and a full stop.
    pub(super) evidence: Vec<String>,
    pub(super) against: Vec<String>,
    pub(super) confirm: &'static str,
    /// The brokers whose failed sessions it explains.
    pub(super) brokers: BTreeSet<BrokerId>,
}

impl Finding {
    /// A finding without evidence yet.
    pub(super) fn new(kind: Kind, subject: impl ToString, weight: Weight, headline: impl ToString) -> Self {
        Self {
            kind,
            subject: subject.to_string(),
            weight,
            headline: headline.to_string(),
            evidence: Vec::new(),
            against: Vec::new(),
            confirm: confirm(kind),
            brokers: BTreeSet::new(),
        }
    }

    /// Adds a piece of evidence, if there is one.
    pub(super) fn because(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// Replaces what would confirm it by what would mend it, if that is known.
    pub(super) fn mended_by(mut self, hint: Option<&'static str>) -> Self {
        self.confirm = hint.unwrap_or(self.confirm);
        self
    }

    /// Adds what speaks against it.
    pub(super) fn although(mut self, against: impl IntoIterator<Item = String>) -> Self {
        self.against.extend(against);
        self
    }
}

/// What would confirm a suspect of this kind.
fn confirm(kind: Kind) -> &'static str {
    match kind {
        Kind::Prober => "look at the processor time, the descriptors and the clock of this machine",
        Kind::ClientNetwork => "connect to another host over the same network",
        Kind::Dns => "look up the name on this machine and on another one",
        Kind::IdentityProvider => "ask the identity provider for a token by hand",
        Kind::Credentials => "log in with the same credentials and another client",
        Kind::Certificate => "read the certificate with `openssl s_client -connect HOST:PORT`",
        Kind::Listener => {
            "connect to the advertised address from another machine, and compare advertised.listeners"
        }
        Kind::Broker => "look at the process, the disk and the network of the broker",
        Kind::Replica => "look at the log of the broker for its replica fetchers, and at its disk",
        Kind::Rack => "look at the network and the power of the rack or of the availability zone",
        Kind::Controller => "run kafka-metadata-quorum.sh, and look at the log of the controllers",
        Kind::Metadata => "ask each broker for the metadata of the topic, and compare",
        Kind::GroupCoordinator => "run kafka-consumer-groups.sh for a group of this coordinator",
        Kind::TransactionCoordinator => "run kafka-transactions.sh with --describe",
        Kind::TopicConfig => "run kafka-configs.sh and kafka-topics.sh with --describe for the topic",
        Kind::Quota => "run kafka-configs.sh with --describe for the user and the client id",
        Kind::Authorization => "compare the ACLs of the principal with those of `kafka-heartbeat acls`",
        Kind::SchemaRegistry => {
            "read the log of the registry, and change the level of a subject with `curl -X PUT URL/config/SUBJECT`"
        }
        Kind::Connect => "read the logs of the workers, and run `curl URL/connectors?expand=status`",
        Kind::Mirror => {
            "read the log of the mirror, and compare the log end of the mirrored topic with that of the source"
        }
        Kind::Cluster => "connect with another client from another machine",
    }
}
