//! A broker that takes the tickets of a [`Kdc`].

use std::time::Duration;

use super::kdc::{BROKER, Kdc};
use crate::support::kafka::{Extras, SaslKafka};

/// Starts a broker whose SASL listeners take GSSAPI, and PLAIN and SCRAM as in every cluster of the tests; dropping it ends
/// it. `None` skips the test.
///
/// The principal `heartbeat` has all permissions. `session_lifetime` is `connections.max.reauth.ms`. The broker closes the
/// connection of a client that sends a request after the end of its session. Zero is no limit.
pub(crate) fn start(kdc: &Kdc, session_lifetime: Duration) -> Option<SaslKafka> {
    let flags = vec![
        format!("-Djava.security.krb5.conf={}", kdc.client_configuration().display()),
        "-Dsun.security.krb5.disableReferrals=true".to_owned(),
    ];
    SaslKafka::start(&Extras { properties: properties(kdc, session_lifetime), flags, ..Extras::default() })
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
