//! Finds the fault of an error of a socket, of TLS or of a broker.

use std::{error, io, iter};

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

    /// [`Fault::Descriptors`] if an error or one of its causes says that this process has no file descriptor left, otherwise
    /// this fault.
    pub(in crate::kafka) fn or_descriptors(self, error: &(dyn error::Error + 'static)) -> Self {
        let mut causes = iter::successors(Some(error), |cause| (*cause).source());
        let is_io = |cause: &io::Error| Self::from_io(cause) == Self::Descriptors;
        if causes.any(|cause| cause.downcast_ref().is_some_and(is_io)) { Self::Descriptors } else { self }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Error;

    #[test]
    fn lack_of_descriptors_is_found_among_the_causes_of_an_error() {
        let of = |code| {
            let cause = Error::new(Fault::Other, "no file").because(io::Error::from_raw_os_error(code));
            Fault::TokenFile.or_descriptors(&Error::new(Fault::Other, "no token").because(cause))
        };
        assert_eq!((of(libc::EMFILE), of(libc::ENFILE)), (Fault::Descriptors, Fault::Descriptors));
        assert_eq!(of(libc::ENOENT), Fault::TokenFile);
    }
}
