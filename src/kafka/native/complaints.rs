//! What a client of librdkafka complains about, as lines of the log.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{kafka::Fault, sync::lock};

/// The same words of a client are logged at most this often.
const LOG_GAP: Duration = Duration::from_secs(600);

/// A client's complaints, each kind at most once in ten minutes: a broken broker repeats them by the
/// thousand.
pub(super) struct Words {
    cluster: String,
    api: &'static str,
    last: Mutex<BTreeMap<Fault, Instant>>,
}

impl Words {
    pub(super) fn new(cluster: String, api: &'static str) -> Self {
        Self { cluster, api, last: Mutex::default() }
    }

    pub(super) fn cluster(&self) -> &str {
        &self.cluster
    }

    pub(super) fn note(&self, fault: Fault, words: &str) {
        let Complaint { fault, hinted, words } = translate(fault, words);
        let now = Instant::now();
        let mut last = lock(&self.last);
        if last.get(&fault).is_some_and(|before| now.duration_since(*before) < LOG_GAP) {
            return;
        }
        last.insert(fault, now);
        drop(last);
        let cluster = &self.cluster;
        let hint = if hinted { fault.hint_once(cluster) } else { None };
        tracing::warn!(cluster, client = self.api, fault = fault.as_str(), hint, "{words}");
    }
}

/// What is logged of a complaint.
#[derive(Debug, PartialEq, Eq)]
struct Complaint<'a> {
    fault: Fault,
    /// The hint of the fault fits.
    hinted: bool,
    words: Cow<'a, str>,
}

/// librdkafka reports every failed TLS handshake with one code, and adds advice of its own to a certificate that this
/// client refuses, whatever the reason. The wire client knows the reason, and the hint that fits.
fn translate(fault: Fault, words: &str) -> Complaint<'_> {
    const REFUSED: &str = "certificate verify failed";
    let broker_refuses = || {
        let alerts = ["certificate", "unknown ca", "access denied"];
        words.split_once(" alert ").is_some_and(|(_, alert)| alerts.iter().any(|word| alert.contains(word)))
    };
    match words.split_once(REFUSED) {
        Some((before, _)) if fault == Fault::Tls => {
            let words = format!("{before}{REFUSED}: this client does not trust the broker's certificate");
            Complaint { fault, hinted: false, words: words.into() }
        }
        _ if fault == Fault::Tls && broker_refuses() => {
            Complaint { fault: Fault::CertificateRefused, hinted: true, words: words.into() }
        }
        _ => Complaint { fault, hinted: true, words: words.into() },
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
        let expected = Complaint { fault: Fault::Tls, hinted: false, words: logged.into() };
        assert_eq!(translate(Fault::Tls, words), expected);
    }

    #[test]
    fn certificate_that_the_broker_refuses_has_the_hint_of_its_fault() {
        for alert in
            ["tlsv13 alert certificate required", "ssl/tls alert bad certificate", "tlsv1 alert unknown ca"]
        {
            let words = format!("ssl://b:1: SSL handshake failed: error:0A00045C:SSL routines::{alert}");
            let complaint = translate(Fault::Tls, &words);
            assert_eq!((complaint.fault, complaint.hinted), (Fault::CertificateRefused, true), "{words}");
        }
    }

    #[test]
    fn port_that_does_not_speak_tls_keeps_its_hint() {
        let words = "ssl://b:1: SSL handshake failed: error:0A00010B:SSL routines::wrong version number";
        let expected = Complaint { fault: Fault::Tls, hinted: true, words: words.into() };
        assert_eq!(translate(Fault::Tls, words), expected);
    }
}
