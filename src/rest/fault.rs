//! What can go wrong with a request to a service.

use std::{error::Error, fmt, io, iter};

use crate::{closed_enum::closed_enum, kafka};

closed_enum! {
    /// The kind of a failure. Values are added and never removed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Fault {
        /// No answer in time.
        Timeout = "timeout",
        /// The host name did not resolve.
        Dns = "dns",
        /// No process listens on the port.
        Refused = "refused",
        /// No route to the host or network.
        Unreachable = "unreachable",
        /// The service closed the connection.
        Disconnected = "disconnected",
        /// The TLS handshake failed for a reason not listed below.
        Tls = "tls",
        /// The certificate of the service has expired or is not yet valid.
        CertificateExpired = "certificate_expired",
        /// The certificate of the service was signed by a CA that this client does not trust, such as by itself.
        CertificateUnknownCa = "certificate_unknown_ca",
        /// The certificate of the service names another host.
        CertificateWrongHost = "certificate_wrong_host",
        /// The service requires a client certificate, or refused the one that it got.
        CertificateRefused = "certificate_refused",
        /// The identity provider did not issue a token. This is no fault of the service.
        Token = "token",
        /// The status is 401: the login is missing or wrong.
        Unauthorized = "unauthorized",
        /// The status is 403: the login has no permission.
        Forbidden = "forbidden",
        /// The status is 404.
        NotFound = "not_found",
        /// The status is 409. Kafka Connect answers so while its workers rebalance.
        Conflict = "conflict",
        /// The status is another one from 400 to 499.
        Status4xx = "status_4xx",
        /// The status is 500 or above.
        Status5xx = "status_5xx",
        /// The service answers with a redirect, which is not followed.
        Redirect = "redirect",
        /// The answer is longer than the limit.
        TooLarge = "too_large",
        /// The answer is not JSON.
        NotJson = "not_json",
        /// The answer is JSON of another form than expected.
        Unexpected = "unexpected",
        /// The service does not return what was written before.
        Stale = "stale",
        /// This process, or its machine, has no free file descriptor. This is no fault of the service.
        Descriptors = "descriptors",
        /// Any other failure. The log has its text.
        Other = "other",
    }
}

impl Fault {
    /// Whether the fault is one of this process or of its login, and not of the service.
    pub fn is_ours(self) -> bool {
        matches!(self, Fault::Token | Fault::Unauthorized | Fault::Forbidden | Fault::Descriptors)
    }

    /// The fault of a status. `None` for an answer that holds what was asked for.
    pub(super) fn of_status(status: u16) -> Option<Self> {
        match status {
            200..300 => None,
            401 => Some(Fault::Unauthorized),
            403 => Some(Fault::Forbidden),
            404 => Some(Fault::NotFound),
            409 => Some(Fault::Conflict),
            300..400 => Some(Fault::Redirect),
            400..500 => Some(Fault::Status4xx),
            _ => Some(Fault::Status5xx),
        }
    }

    /// The fault of a request without a whole answer.
    pub(super) fn of_request(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Fault::Timeout;
        }
        let causes = || iter::successors(Some(error as &(dyn Error + 'static)), |cause| (*cause).source());
        if let Some(io) = causes().find_map(|cause| cause.downcast_ref::<io::Error>()) {
            let found = Self::of_io(innermost(io));
            if found != Fault::Other {
                return found;
            }
        }
        let says = |words: &str| causes().any(|cause| cause.to_string().contains(words));
        match () {
            () if says("dns error") => Fault::Dns,
            // What answers does not speak HTTP.
            () if says("invalid HTTP") => Fault::NotJson,
            () if !error.is_connect() => Fault::Disconnected,
            () => Fault::Other,
        }
    }

    /// The fault of a socket or of TLS.
    fn of_io(error: &io::Error) -> Self {
        match kafka::Fault::from_io(error) {
            kafka::Fault::Refused => Fault::Refused,
            kafka::Fault::Unreachable => Fault::Unreachable,
            kafka::Fault::Timeout => Fault::Timeout,
            kafka::Fault::Disconnected => Fault::Disconnected,
            kafka::Fault::Tls => Fault::Tls,
            kafka::Fault::CertificateExpired => Fault::CertificateExpired,
            kafka::Fault::CertificateUnknownCa => Fault::CertificateUnknownCa,
            kafka::Fault::CertificateWrongHost => Fault::CertificateWrongHost,
            kafka::Fault::CertificateRefused => Fault::CertificateRefused,
            kafka::Fault::Descriptors => Fault::Descriptors,
            _ => Fault::Other,
        }
    }
}

/// The error that others wrap: an I/O error does not name the error in it as its cause.
fn innermost(error: &io::Error) -> &io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    inner.map_or(error, innermost)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of the failure, which is safe as a label.
    pub fault: Fault,
    /// The number that the service gave the error in its JSON. `None` if it gave none.
    pub code: Option<u64>,
    /// What happened, as a fragment that names the node. It never holds a secret or a control character.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
