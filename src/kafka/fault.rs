//! What can go wrong, in words that are safe as a label.
//!
//! [`Fault`] is a closed list: a metric may carry it, an alert may match it. The text of an error,
//! which may hold a host name or a broker's words, goes to the log and never into a label.

// For the modules of the collection, until they name it themselves.
pub use crate::text::plain;

use crate::{closed_enum::closed_enum, sync::lock};
use std::{
    collections::BTreeMap,
    error, fmt,
    sync::Mutex,
    time::{Duration, Instant},
};

/// A hint is not repeated in the log before this.
const HINT_GAP: Duration = Duration::from_secs(3600);

closed_enum! {
    /// The kind of a failure. The list only ever grows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Fault {
        /// The host name did not resolve.
        Dns = "dns",
        /// Nobody listens on the port.
        Refused = "refused",
        /// No route to the host or network.
        Unreachable = "unreachable",
        /// No answer in time.
        Timeout = "timeout",
        /// The peer closed the connection.
        Disconnected = "disconnected",
        /// The TLS handshake failed for a reason not listed below.
        Tls = "tls",
        /// The broker's certificate has expired or is not yet valid.
        CertificateExpired = "certificate_expired",
        /// The broker's certificate was signed by nobody we trust.
        CertificateUnknownCa = "certificate_unknown_ca",
        /// The broker's certificate names another host.
        CertificateWrongHost = "certificate_wrong_host",
        /// The broker wants a certificate of ours, or refused the one it got.
        CertificateRefused = "certificate_refused",
        /// Wrong user, password or mechanism.
        Authentication = "authentication",
        /// The principal lacks a permission.
        Authorization = "authorization",
        /// The topic or partition does not exist.
        UnknownTopic = "unknown_topic",
        /// The partition has no leader, the group no coordinator, or the broker asked is not it.
        NoLeader = "no_leader",
        /// Fewer in-sync replicas than `min.insync.replicas`.
        NotEnoughReplicas = "not_enough_replicas",
        /// A policy or quota of the cluster forbids it.
        Policy = "policy",
        /// A quota of the cluster makes us wait for longer than the question may take.
        Throttled = "throttled",
        /// The client's own queue is full.
        QueueFull = "queue_full",
        /// This process, or its machine, may open no more files: no fault of Kafka.
        Descriptors = "descriptors",
        /// The client has not found out yet where to send.
        NotReady = "not_ready",
        /// The broker does not know the request or the version.
        Unsupported = "unsupported",
        /// The peer sent bytes that are not Kafka's protocol, or too many of them.
        Protocol = "protocol",
        /// Anything else; the log has the words.
        Other = "other",
    }
}

impl Fault {
    /// The hint for a line of the log: of each cluster once an hour, however many tasks and clients complain.
    pub fn hint_once(self, cluster: &str) -> Option<&'static str> {
        static TOLD: Mutex<BTreeMap<(String, Fault), Instant>> = Mutex::new(BTreeMap::new());
        let hint = self.hint()?;
        let mut told = lock(&TOLD);
        let before = told.get(&(cluster.to_owned(), self));
        if before.is_some_and(|before| before.elapsed() < HINT_GAP) {
            return None;
        }
        told.insert((cluster.to_owned(), self), Instant::now());
        Some(hint)
    }

    /// Whether the fault is this process's own, and says nothing of Kafka.
    pub fn is_ours(self) -> bool {
        self == Fault::Descriptors
    }

    /// What an operator should look at first.
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Fault::Dns => "check the host name and the resolver of this machine",
            Fault::Refused => "check the port, and whether the broker runs",
            Fault::Unreachable => "check routes, firewalls and private-link endpoints",
            Fault::Tls => "check that the port speaks TLS and that security.protocol says so",
            Fault::CertificateExpired => "renew the broker's certificate, or check this clock",
            Fault::CertificateUnknownCa => {
                "set ssl.ca.location to the CA that signed the broker's certificate"
            }
            Fault::CertificateWrongHost => "connect by a name that the certificate carries",
            Fault::CertificateRefused => {
                "set ssl.certificate.location and ssl.key.location to a certificate the broker trusts"
            }
            Fault::Authentication => "check sasl.mechanism, sasl.username and sasl.password",
            Fault::Authorization => "grant the principal what it was refused",
            Fault::Descriptors => {
                "raise the limit of open files of kafka-heartbeat: LimitNOFILE in a systemd unit, ulimit -n in a shell"
            }
            Fault::NotEnoughReplicas => "a replica is down: check the brokers",
            Fault::Throttled => "raise the request quota of this principal, or lengthen the intervals",
            Fault::Protocol => "check that the port is a Kafka listener and that security.protocol fits it",
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

closed_enum! {
    /// A step of opening a session, in the order they happen.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Stage {
        /// Name lookup.
        Dns = "dns",
        /// TCP connect.
        Tcp = "tcp",
        /// TLS handshake; absent on plaintext listeners.
        Tls = "tls",
        /// The broker's list of request versions.
        ApiVersions = "api_versions",
        /// SASL handshake and authentication; absent without SASL.
        Sasl = "sasl",
    }
}

impl Stage {
    /// Says that this stage failed and by which fault: `stage tcp failed: refused`, or `stage dns failed` where the
    /// fault has the stage's name.
    pub fn failed(self, fault: Fault) -> String {
        let fault = fault.as_str();
        if fault == self.as_str() {
            format!("stage {self} failed")
        } else {
            format!("stage {self} failed: {fault}")
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed question to Kafka: what was asked, where it ended and why.
///
/// The message is a lower-case fragment that names the thing; it never holds a secret.
#[derive(Debug)]
pub struct Error {
    fault: Fault,
    stage: Option<Stage>,
    what: String,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with words for the log: `Error::new(Fault::Timeout, "metadata from b1:9092")`.
    pub fn new(fault: Fault, what: impl Into<String>) -> Self {
        Self { fault, stage: None, what: what.into(), source: None }
    }

    /// Says in which stage of opening a session it happened.
    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.stage = Some(stage);
        self
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind, safe as a label.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The stage of opening a session, where it failed there.
    pub fn stage(&self) -> Option<Stage> {
        self.stage
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage {
            Some(stage) => write!(f, "{}: {}", self.what, stage.failed(self.fault)),
            None => write!(f, "{}: {}", self.what, self.fault),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_a_stage_names_a_fault_of_the_same_name_once() {
        let error = Error::new(Fault::Tls, "b1:9092").at(Stage::Tls);
        assert_eq!(error.to_string(), "b1:9092: stage tls failed");
        let error = Error::new(Fault::Refused, "b1:9092").at(Stage::Tcp);
        assert_eq!(error.to_string(), "b1:9092: stage tcp failed: refused");
    }
}
