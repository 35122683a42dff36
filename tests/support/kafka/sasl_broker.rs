//! A single broker whose SASL listeners take one more mechanism than those of every cluster of the tests.

use super::{Extras, Kafka, Listener};

/// A single broker whose two SASL listeners have a mechanism of their own; dropping it ends the broker.
pub(crate) struct SaslKafka(Kafka);

impl SaslKafka {
    /// Starts the broker. `None` skips the test.
    pub(crate) fn start(extras: &Extras) -> Option<Self> {
        Kafka::start_single(extras).map(Self)
    }

    /// `bootstrap.servers` of the listener without TLS, `SASL_PLAINTEXT`.
    pub(crate) fn bootstrap(&self) -> String {
        self.0.bootstrap(Listener::SaslPlaintext)
    }

    /// `bootstrap.servers` of the listener with TLS, `SASL_SSL`; [`Kafka::ca_pem_path`] is its authority.
    pub(crate) fn tls_bootstrap(&self) -> String {
        self.0.bootstrap(Listener::SaslSsl)
    }

    /// The cluster of this one broker, for everything else: topics, faults, Kafka's command line, certificates.
    pub(crate) fn kafka(&self) -> &Kafka {
        &self.0
    }
}
