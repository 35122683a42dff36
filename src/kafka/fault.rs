//! Faults and errors of Kafka's clients.
//!
//! [`Fault`] is a closed list, so that a metric may have it as a label and an alert may match it. The text of an error may
//! hold a host name or a broker's message. It goes to the log and never into a label.

use std::{
    collections::BTreeMap,
    error, fmt,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{closed_enum::closed_enum, sync::lock};

/// The shortest time between two log lines with the same hint.
const HINT_INTERVAL: Duration = Duration::from_secs(3600);

closed_enum! {
    /// The kind of a failure. Values are added and never removed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Fault {
        /// The host name did not resolve.
        Dns = "dns",
        /// No process listens on the port.
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
        /// The broker's certificate was signed by a CA that this client does not trust.
        CertificateUnknownCa = "certificate_unknown_ca",
        /// The broker's certificate names another host.
        CertificateWrongHost = "certificate_wrong_host",
        /// The broker requires a client certificate, or refused the one that it got.
        CertificateRefused = "certificate_refused",
        /// The user, the password, the token or the mechanism is wrong.
        Authentication = "authentication",
        /// The identity provider did not issue a token. This is no fault of Kafka.
        TokenEndpoint = "token_endpoint",
        /// The identity provider refused the client's id, secret or assertion. This is no fault of Kafka.
        InvalidClient = "invalid_client",
        /// The file of the token cannot be read, or holds no token that can be used. This is no fault of Kafka.
        TokenFile = "token_file",
        /// The token is for another audience, as the identity provider or the broker says. This is no fault of Kafka.
        Audience = "audience",
        /// The clocks of this machine and of the identity provider differ by more than a minute, or by more than Kerberos
        /// allows, and nobody can log in for that reason. Or a broker calls a token expired that is valid by the clock of this
        /// machine. This is no fault of Kafka.
        Clock = "clock",
        /// The keytab cannot be read, or holds no key of the principal. This is no fault of Kafka.
        Keytab = "keytab",
        /// The KDC does not know the principal, or refuses its key. This is no fault of Kafka.
        Principal = "principal",
        /// The KDC does not know the broker's principal: the host name is another one. This is no fault of Kafka.
        ServicePrincipal = "service_principal",
        /// The KDC did not issue a ticket, or did not answer. This is no fault of Kafka.
        Kdc = "kdc",
        /// There are no credentials of AWS for MSK IAM, or the role may not be assumed. This is no fault of Kafka.
        AwsCredentials = "aws_credentials",
        /// The file of a certificate, a key or a password cannot be used. This is no fault of Kafka.
        CredentialFile = "credential_file",
        /// The principal lacks a permission.
        Authorization = "authorization",
        /// The topic or partition does not exist.
        UnknownTopic = "unknown_topic",
        /// The partition has no leader or the group has no coordinator, or the broker is not the leader or coordinator.
        NoLeader = "no_leader",
        /// The partition has fewer in-sync replicas than `min.insync.replicas`.
        NotEnoughReplicas = "not_enough_replicas",
        /// A policy or quota of the cluster forbids the request.
        Policy = "policy",
        /// A quota of the cluster throttles the client for longer than the time limit of the request.
        Throttled = "throttled",
        /// The client's own queue is full.
        QueueFull = "queue_full",
        /// This process, or its machine, has no free file descriptor. This is no fault of Kafka.
        Descriptors = "descriptors",
        /// The client does not know yet to which broker to send.
        NotReady = "not_ready",
        /// The broker does not know the request or its versions.
        Unsupported = "unsupported",
        /// The peer sent bytes that are not Kafka's protocol, or too many of them.
        Protocol = "protocol",
        /// Any other failure. The log has its text.
        Other = "other",
    }
}

impl Fault {
    /// The hint for a log line, at most once an hour for each cluster and fault. `None` if the fault has no hint, or the hint
    /// was returned within the last hour.
    pub fn hint_once(self, cluster: &str) -> Option<&'static str> {
        static LOGGED: Mutex<BTreeMap<(String, Fault), Instant>> = Mutex::new(BTreeMap::new());
        let hint = self.hint()?;
        let mut logged = lock(&LOGGED);
        let before = logged.get(&(cluster.to_owned(), self));
        if before.is_some_and(|before| before.elapsed() < HINT_INTERVAL) {
            return None;
        }
        logged.insert((cluster.to_owned(), self), Instant::now());
        Some(hint)
    }

    /// Whether the fault is one of this process or of its credentials, and not of Kafka.
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Fault::Descriptors
                | Fault::TokenEndpoint
                | Fault::InvalidClient
                | Fault::TokenFile
                | Fault::CredentialFile
                | Fault::Audience
                | Fault::Clock
                | Fault::Keytab
                | Fault::Principal
                | Fault::ServicePrincipal
                | Fault::Kdc
                | Fault::AwsCredentials
        )
    }

    /// Whether the fault is that of one broker if other brokers accept the same login: the broker itself names the reason,
    /// such as by its own clock, or the KDC refuses a ticket for this broker.
    pub fn is_of_one_broker(self) -> bool {
        matches!(self, Fault::Audience | Fault::Clock | Fault::ServicePrincipal)
    }

    /// Whether a failure with this fault says nothing of any broker, because this process or its credentials are the reason.
    /// `others_work` is whether another broker answers at the same time.
    pub fn is_no_evidence(self, others_work: bool) -> bool {
        self.is_ours() && !(others_work && self.is_of_one_broker())
    }

    /// What an operator should check first. `None` for a fault without a usual reason.
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
            Fault::Authentication => {
                "check sasl.mechanism, sasl.username and sasl.password, or the audience and the owner of the token, or with \
                 MSK IAM the region and the permission kafka-cluster:Connect"
            }
            Fault::TokenEndpoint => {
                "check sasl.oauthbearer.token.endpoint.url and the identity provider; Kafka was not asked"
            }
            Fault::InvalidClient => {
                "check sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret, or the key and the claims of the assertion"
            }
            Fault::TokenFile => {
                "check sasl.oauthbearer.token.file or sasl.oauthbearer.assertion.file, and the program that renews the file"
            }
            Fault::CredentialFile => {
                "check the files of certificates, keys and passwords, and the program that renews them"
            }
            Fault::Audience => {
                "set sasl.oauthbearer.scope to the audience that the brokers expect, or register it with the identity provider"
            }
            Fault::Clock => {
                "correct the clock of this machine, of the identity provider, of the KDC or of the broker, such as with NTP"
            }
            Fault::Keytab => {
                "check sasl.kerberos.keytab and sasl.kerberos.principal: `klist -k FILE` lists the principals of a keytab"
            }
            Fault::Principal => {
                "check sasl.kerberos.principal with the administrator of the KDC: it may be misspelt, expired, or have a newer \
                 key than the keytab"
            }
            Fault::ServicePrincipal => {
                "check that brokers are named as in their principals, sasl.kerberos.service.name, and rdns = false in krb5.conf"
            }
            Fault::Kdc => "check the KDC, krb5.conf and the network to the KDC; Kafka was not asked",
            Fault::AwsCredentials => {
                "check the credentials of AWS that kafka-heartbeat finds, and aws.role.arn; Kafka was not asked"
            }
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
    /// A stage of opening a session. The stages run in this order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Stage {
        /// The lookup of the host name.
        Dns = "dns",
        /// The TCP connection.
        Tcp = "tcp",
        /// The TLS handshake. Plaintext listeners do not have this stage.
        Tls = "tls",
        /// The request for the versions that the broker understands.
        ApiVersions = "api_versions",
        /// The SASL login. Listeners without SASL do not have this stage.
        Sasl = "sasl",
    }
}

impl Stage {
    /// The text for a failure of this stage: `stage tcp failed: refused`, or `stage dns failed` if the fault has the name
    /// of the stage.
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

/// A failed request to Kafka, with its fault and the reason.
///
/// The message is a lower-case fragment that names the request or the broker. It never holds a secret.
#[derive(Debug)]
pub struct Error {
    fault: Fault,
    stage: Option<Stage>,
    what: String,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a fault and a text for the log: `Error::new(Fault::Timeout, "metadata from b1:9092")`.
    pub fn new(fault: Fault, what: impl Into<String>) -> Self {
        Self { fault, stage: None, what: what.into(), source: None }
    }

    /// Adds the stage of opening a session that failed.
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

    /// The fault, which is safe as a label.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The stage of opening a session that failed. `None` for a failure after the session was open.
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
