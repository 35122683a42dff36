//! A broker that takes the tickets of a [`Kdc`].

use std::time::Duration;

use super::kdc::{BROKER, Kdc};
use crate::support::kafka::{Extras, Kafka, Listener};

/// A single broker whose SASL listeners take GSSAPI, and PLAIN and SCRAM as in every cluster of the tests.
///
/// The principal `heartbeat` has all permissions.
pub(crate) struct KerberosKafka {
    kafka: Kafka,
}

impl KerberosKafka {
    /// Starts the broker; dropping it ends it. `None` skips the test.
    ///
    /// `session_lifetime` is `connections.max.reauth.ms`. The broker closes the connection of a client that sends a request
    /// after the end of its session. Zero is no limit.
    pub(crate) fn start(kdc: &Kdc, session_lifetime: Duration) -> Option<Self> {
        let flags = vec![
            format!("-Djava.security.krb5.conf={}", kdc.client_configuration().display()),
            "-Dsun.security.krb5.disableReferrals=true".to_owned(),
        ];
        let extras = Extras { properties: properties(kdc, session_lifetime), flags };
        Some(Self { kafka: Kafka::start_single(&extras)? })
    }

    /// `bootstrap.servers` of the listener without TLS, `SASL_PLAINTEXT`.
    pub(crate) fn bootstrap(&self) -> String {
        self.kafka.bootstrap(Listener::SaslPlaintext)
    }

    /// `bootstrap.servers` of the listener with TLS, `SASL_SSL`.
    pub(crate) fn tls_bootstrap(&self) -> String {
        self.kafka.bootstrap(Listener::SaslSsl)
    }

    /// The cluster of this one broker.
    pub(crate) fn kafka(&self) -> &Kafka {
        &self.kafka
    }
}

/// The lines of `server.properties` that GSSAPI needs on both SASL listeners.
///
/// The broker only takes tickets, so it asks the KDC nothing: it lives on while the KDC does not.
fn properties(kdc: &Kdc, session_lifetime: Duration) -> String {
    let listeners = ["sasl_plaintext", "sasl_ssl"].map(|listener| {
        let prefix = format!("listener.name.{listener}.gssapi");
        format!(
            "{prefix}.sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true \
             storeKey=true isInitiator=false keyTab=\"{}\" principal=\"{BROKER}\";\n\
             {prefix}.connections.max.reauth.ms={}\n",
            kdc.broker_keytab().display(),
            session_lifetime.as_millis()
        )
    });
    format!(
        "{}sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,GSSAPI\nsasl.kerberos.service.name=kafka\n",
        listeners.concat()
    )
}
