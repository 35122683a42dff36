//! The errors that librdkafka's clients report, as lines of the log.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{kafka::Fault, sync::lock};

/// The shortest time between two log lines of one client about the same fault.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// What OpenSSL says of a failed handshake. librdkafka reports some of these failures as those of the connection, if the broker
/// answers at once.
const OPENSSL: &str = ":SSL routines:";

/// What Kerberos says before the first ticket. The source of tickets logs why there is none.
const NO_TICKET: &str = "No Kerberos credentials available";

/// Words of Kerberos, each with its fault. librdkafka reports every failed login with the same code.
const KERBEROS: [(&str, Fault); 4] = [
    ("Cannot contact any KDC", Fault::Kdc),
    ("expired", Fault::Kdc),
    ("not found in Kerberos database", Fault::ServicePrincipal),
    ("Clock skew", Fault::Clock),
];

/// Logs the errors of one client, each fault at most once in ten minutes. A broken broker causes thousands of errors.
pub(super) struct ComplaintLog {
    cluster: String,
    api: &'static str,
    /// When each fault was last logged.
    last: Mutex<BTreeMap<Fault, Instant>>,
}

impl ComplaintLog {
    pub(super) fn new(cluster: String, api: &'static str) -> Self {
        Self { cluster, api, last: Mutex::default() }
    }

    pub(super) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Logs an error, unless its fault was logged within the last ten minutes.
    pub(super) fn note(&self, fault: Fault, text: &str) {
        if text.contains(NO_TICKET) {
            return tracing::debug!(client = self.api, "{text}");
        }
        let Complaint { fault, has_hint, text } = Complaint::translate(fault, text);
        let now = Instant::now();
        let mut last = lock(&self.last);
        if last.get(&fault).is_some_and(|before| now.duration_since(*before) < LOG_INTERVAL) {
            return;
        }
        last.insert(fault, now);
        drop(last);
        let cluster = &self.cluster;
        let hint = if has_hint { fault.hint_once(cluster) } else { None };
        tracing::warn!(cluster, client = self.api, fault = fault.as_str(), hint, "{text}");
    }
}

/// An error as it is logged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint<'a> {
    pub(super) fault: Fault,
    /// Whether the hint of the fault fits the error.
    has_hint: bool,
    pub(super) text: Cow<'a, str>,
}

impl<'a> Complaint<'a> {
    /// librdkafka reports every failed TLS handshake with the same code. If this client refuses a certificate, librdkafka
    /// adds advice that fits only some of the reasons. The wire client knows the reason, and logs the hint that fits.
    pub(super) fn translate(fault: Fault, text: &'a str) -> Self {
        const REFUSED: &str = "certificate verify failed";
        if fault == Fault::Authentication && text.contains("GSSAPI Error") {
            let fault = KERBEROS
                .into_iter()
                .find(|(words, _)| text.contains(words))
                .map_or(fault, |(_, fault)| fault);
            return Self { fault, has_hint: true, text: text.into() };
        }
        let fault = if text.contains(OPENSSL) { Fault::Tls } else { fault };
        if fault != Fault::Tls {
            return Self { fault, has_hint: true, text: text.into() };
        }
        if let Some((before, _)) = text.split_once(REFUSED) {
            let text = format!("{before}{REFUSED}: this client does not trust the broker's certificate");
            return Self { fault, has_hint: false, text: text.into() };
        }
        let alerts = ["certificate", "unknown ca", "access denied"];
        let alert = text.split_once(" alert ").map(|(_, alert)| alert);
        let is_refused_by_broker = alert.is_some_and(|alert| alerts.iter().any(|word| alert.contains(word)));
        let fault = if is_refused_by_broker { Fault::CertificateRefused } else { fault };
        Self { fault, has_hint: true, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_that_this_client_refuses_is_logged_without_advice() {
        let words = "ssl://b:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: \
                     broker certificate could not be verified, verify that ssl.ca.location is correctly configured \
                     or root CA certificates are installed (install ca-certificates package) (after 9ms in state \
                     SSL_HANDSHAKE)";
        let logged = "ssl://b:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify \
                      failed: this client does not trust the broker's certificate";
        let expected = Complaint { fault: Fault::Tls, has_hint: false, text: logged.into() };
        assert_eq!(Complaint::translate(Fault::Tls, words), expected);
    }

    #[test]
    fn certificate_that_the_broker_refuses_has_the_hint_of_its_fault() {
        for alert in
            ["tlsv13 alert certificate required", "ssl/tls alert bad certificate", "tlsv1 alert unknown ca"]
        {
            let words = format!("ssl://b:1: SSL handshake failed: error:0A00045C:SSL routines::{alert}");
            let complaint = Complaint::translate(Fault::Tls, &words);
            assert_eq!((complaint.fault, complaint.has_hint), (Fault::CertificateRefused, true), "{words}");
        }
    }

    #[test]
    fn failed_handshake_is_one_of_tls_although_librdkafka_blames_the_connection() {
        let words = "ssl://b:1/bootstrap: error:0A00010B:SSL routines::wrong version number (after 0ms in state SSL_HANDSHAKE)";
        assert_eq!(Complaint::translate(Fault::Refused, words).fault, Fault::Tls);
        let words = "ssl://b:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(Complaint::translate(Fault::Refused, words).fault, Fault::Refused);
    }

    #[test]
    fn login_that_fails_for_the_kdc_has_the_fault_of_the_kdc() {
        let words = |reason: &str| {
            format!(
                "sasl_plaintext://b:1: Failed to initialize SASL authentication: SASL handshake failed (start (-1)): \
                 SASL(-1): generic failure: GSSAPI Error: Unspecified GSS failure. ({reason})"
            )
        };
        let table = [
            ("Cannot contact any KDC for realm 'TEST'", Fault::Kdc),
            ("Ticket expired", Fault::Kdc),
            ("Server kafka/b@TEST not found in Kerberos database", Fault::ServicePrincipal),
            ("Clock skew too great", Fault::Clock),
            ("Wrong principal in request", Fault::Authentication),
        ];
        for (reason, fault) in table {
            let words = words(reason);
            assert_eq!(Complaint::translate(Fault::Authentication, &words).fault, fault, "{reason}");
        }
    }

    #[test]
    fn port_that_does_not_speak_tls_keeps_its_hint() {
        let words = "ssl://b:1: SSL handshake failed: error:0A00010B:SSL routines::wrong version number";
        let expected = Complaint { fault: Fault::Tls, has_hint: true, text: words.into() };
        assert_eq!(Complaint::translate(Fault::Tls, words), expected);
    }
}
