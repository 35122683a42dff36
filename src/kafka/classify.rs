//! Finds the fault of an error of a socket, of TLS or of a broker.

use std::io;

use kafka_protocol::error::ResponseError;
use tokio_rustls::rustls;

use super::Fault;

impl Fault {
    /// The fault of an I/O error, which may wrap a TLS error.
    pub fn from_io(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::from_tls(tls);
        }
        if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
            return Fault::Descriptors;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Fault::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied => Fault::Unreachable,
            io::ErrorKind::TimedOut => Fault::Timeout,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => Fault::Disconnected,
            io::ErrorKind::InvalidData => Fault::Protocol,
            _ => Fault::Other,
        }
    }

    /// The fault of a TLS error.
    fn from_tls(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, CertificateError as Certificate};
        match error {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                Certificate::Expired
                | Certificate::ExpiredContext { .. }
                | Certificate::NotValidYet
                | Certificate::NotValidYetContext { .. } => Fault::CertificateExpired,
                // After a CA was recreated under its old name, the name of the issuer fits and the signature does not.
                Certificate::UnknownIssuer | Certificate::BadSignature => Fault::CertificateUnknownCa,
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                    Fault::CertificateWrongHost
                }
                _ => Fault::Tls,
            },
            rustls::Error::AlertReceived(
                Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::AccessDenied
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::UnsupportedCertificate,
            ) => Fault::CertificateRefused,
            _ => Fault::Tls,
        }
    }

    /// The fault of an error code in a broker's response.
    pub fn from_response(error: ResponseError) -> Self {
        match error {
            ResponseError::TopicAuthorizationFailed
            | ResponseError::GroupAuthorizationFailed
            | ResponseError::ClusterAuthorizationFailed
            | ResponseError::TransactionalIdAuthorizationFailed => Fault::Authorization,
            ResponseError::SaslAuthenticationFailed
            | ResponseError::UnsupportedSaslMechanism
            | ResponseError::IllegalSaslState => Fault::Authentication,
            ResponseError::UnknownTopicOrPartition
            | ResponseError::UnknownTopicId
            | ResponseError::InconsistentTopicId => Fault::UnknownTopic,
            ResponseError::LeaderNotAvailable
            | ResponseError::NotLeaderOrFollower
            | ResponseError::FencedLeaderEpoch
            | ResponseError::UnknownLeaderEpoch
            | ResponseError::NotController
            | ResponseError::ReplicaNotAvailable
            | ResponseError::BrokerNotAvailable
            | ResponseError::ListenerNotFound
            | ResponseError::PreferredLeaderNotAvailable
            | ResponseError::EligibleLeadersNotAvailable
            | ResponseError::CoordinatorNotAvailable
            | ResponseError::CoordinatorLoadInProgress
            | ResponseError::NotCoordinator
            | ResponseError::OffsetNotAvailable => Fault::NoLeader,
            ResponseError::NotEnoughReplicas | ResponseError::NotEnoughReplicasAfterAppend => {
                Fault::NotEnoughReplicas
            }
            ResponseError::PolicyViolation
            | ResponseError::ThrottlingQuotaExceeded
            | ResponseError::InvalidReplicationFactor
            | ResponseError::InvalidPartitions
            | ResponseError::InvalidConfig => Fault::Policy,
            ResponseError::RequestTimedOut => Fault::Timeout,
            ResponseError::UnsupportedVersion
            | ResponseError::UnsupportedForMessageFormat
            | ResponseError::InvalidRequest => Fault::Unsupported,
            ResponseError::NetworkException => Fault::Disconnected,
            ResponseError::CorruptMessage => Fault::Protocol,
            _ => Fault::Other,
        }
    }
}
