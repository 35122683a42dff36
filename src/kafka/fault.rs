//! What can go wrong, in words that are safe as a label.
//!
//! [`Fault`] is a closed list: a metric may carry it, an alert may match it. The text of an error,
//! which may hold a host name or a broker's words, goes to the log and never into a label.

use std::{
    collections::BTreeMap,
    error, fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A hint is not repeated in the log before this.
const HINT_GAP: Duration = Duration::from_secs(3600);

/// The kind of a failure. The list only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The host name did not resolve.
    Dns,
    /// Nobody listens on the port.
    Refused,
    /// No route to the host or network.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The peer closed the connection.
    Disconnected,
    /// The TLS handshake failed for a reason not listed below.
    Tls,
    /// The broker's certificate has expired or is not yet valid.
    CertificateExpired,
    /// The broker's certificate was signed by nobody we trust.
    CertificateUnknownCa,
    /// The broker's certificate names another host.
    CertificateWrongHost,
    /// The broker wants a certificate of ours, or refused the one it got.
    CertificateRefused,
    /// Wrong user, password or mechanism.
    Authentication,
    /// The principal lacks a permission.
    Authorization,
    /// The topic or partition does not exist.
    UnknownTopic,
    /// The partition has no leader, the group no coordinator, or the broker asked is not it.
    NoLeader,
    /// Fewer in-sync replicas than `min.insync.replicas`.
    NotEnoughReplicas,
    /// A policy or quota of the cluster forbids it.
    Policy,
    /// A quota of the cluster makes us wait for longer than the question may take.
    Throttled,
    /// The client's own queue is full.
    QueueFull,
    /// This process, or its machine, may open no more files: no fault of Kafka.
    Descriptors,
    /// The client has not found out yet where to send.
    NotReady,
    /// The broker does not know the request or the version.
    Unsupported,
    /// The peer sent bytes that are not Kafka's protocol, or too many of them.
    Protocol,
    /// Anything else; the log has the words.
    Other,
}

impl Fault {
    /// Every fault, in the order of the labels.
    pub const ALL: [Fault; 23] = [
        Fault::Dns,
        Fault::Refused,
        Fault::Unreachable,
        Fault::Timeout,
        Fault::Disconnected,
        Fault::Tls,
        Fault::CertificateExpired,
        Fault::CertificateUnknownCa,
        Fault::CertificateWrongHost,
        Fault::CertificateRefused,
        Fault::Authentication,
        Fault::Authorization,
        Fault::UnknownTopic,
        Fault::NoLeader,
        Fault::NotEnoughReplicas,
        Fault::Policy,
        Fault::Throttled,
        Fault::QueueFull,
        Fault::Descriptors,
        Fault::NotReady,
        Fault::Unsupported,
        Fault::Protocol,
        Fault::Other,
    ];

    /// The fault as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Dns => "dns",
            Fault::Refused => "refused",
            Fault::Unreachable => "unreachable",
            Fault::Timeout => "timeout",
            Fault::Disconnected => "disconnected",
            Fault::Tls => "tls",
            Fault::CertificateExpired => "certificate_expired",
            Fault::CertificateUnknownCa => "certificate_unknown_ca",
            Fault::CertificateWrongHost => "certificate_wrong_host",
            Fault::CertificateRefused => "certificate_refused",
            Fault::Authentication => "authentication",
            Fault::Authorization => "authorization",
            Fault::UnknownTopic => "unknown_topic",
            Fault::NoLeader => "no_leader",
            Fault::NotEnoughReplicas => "not_enough_replicas",
            Fault::Policy => "policy",
            Fault::Throttled => "throttled",
            Fault::QueueFull => "queue_full",
            Fault::Descriptors => "descriptors",
            Fault::NotReady => "not_ready",
            Fault::Unsupported => "unsupported",
            Fault::Protocol => "protocol",
            Fault::Other => "other",
        }
    }

    /// The hint for a line of the log: of each cluster once an hour, however many tasks and clients complain.
    pub fn hint_once(self, cluster: &str) -> Option<&'static str> {
        static TOLD: Mutex<BTreeMap<(String, Fault), Instant>> = Mutex::new(BTreeMap::new());
        let hint = self.hint()?;
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
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

/// A step of opening a session, in the order they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Name lookup.
    Dns,
    /// TCP connect.
    Tcp,
    /// TLS handshake; absent on plaintext listeners.
    Tls,
    /// The broker's list of request versions.
    ApiVersions,
    /// SASL handshake and authentication; absent without SASL.
    Sasl,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 5] = [Stage::Dns, Stage::Tcp, Stage::Tls, Stage::ApiVersions, Stage::Sasl];

    /// The stage as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Dns => "dns",
            Stage::Tcp => "tcp",
            Stage::Tls => "tls",
            Stage::ApiVersions => "api_versions",
            Stage::Sasl => "sasl",
        }
    }

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

/// Prints an error and its sources in one line: `a: b: c`.
pub struct Chain<'a>(pub &'a (dyn error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Hostile text made fit for a line of a log: at most 200 characters, control characters escaped.
pub fn plain(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| {
        let control = c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c);
        if control { c.escape_default().collect::<Vec<_>>() } else { vec![c] }
    });
    escaped.take(200).collect()
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
