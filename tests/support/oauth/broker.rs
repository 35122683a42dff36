//! A broker that takes the tokens of an [`OidcServer`].

use std::time::Duration;

use super::oidc::{AUDIENCE, OidcServer};
use crate::support::kafka::{Extras, SaslKafka};

/// Starts a broker whose SASL listeners take OAUTHBEARER, and PLAIN and SCRAM as in every cluster of the tests; dropping it
/// ends it. `None` skips the test.
///
/// A token's subject is the principal: client `heartbeat` has all permissions, every other client has none.
///
/// `session_lifetime` is `connections.max.reauth.ms`. A session then lives that long, or as long as its token if that is
/// shorter. With zero a session lives as long as its token. The broker closes the connection of a client that sends a
/// request after the end of its session.
pub(crate) fn start(oidc: &OidcServer, session_lifetime: Duration) -> Option<SaslKafka> {
    // Since 4.0 Kafka asks only those addresses that its command line allows.
    let flag = format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}", oidc.jwks_url());
    SaslKafka::start(&Extras {
        properties: properties(oidc, session_lifetime),
        flags: vec![flag],
        ..Extras::default()
    })
}

/// The lines of `server.properties` that OAUTHBEARER needs on both SASL listeners.
///
/// The validator is named because the default of Kafka 4.1.0, `DefaultJwtValidator`, is the client's in the broker too: it
/// checks neither signature nor audience nor expiry. The keys `sasl.oauthbearer.*` have no prefix because Kafka does not
/// parse lists and numbers behind a prefix that names the mechanism. The issuer is named because Kafka 4.4 requires it.
fn properties(oidc: &OidcServer, session_lifetime: Duration) -> String {
    let oauth = "org.apache.kafka.common.security.oauthbearer";
    let listeners = ["sasl_plaintext", "sasl_ssl"].map(|listener| {
        let prefix = format!("listener.name.{listener}.oauthbearer");
        format!(
            "{prefix}.sasl.jaas.config={oauth}.OAuthBearerLoginModule required;\n\
             {prefix}.sasl.server.callback.handler.class={oauth}.OAuthBearerValidatorCallbackHandler\n\
             {prefix}.connections.max.reauth.ms={}\n",
            session_lifetime.as_millis()
        )
    });
    format!(
        "{}\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
         sasl.oauthbearer.jwt.validator.class={oauth}.BrokerJwtValidator\n\
         sasl.oauthbearer.jwks.endpoint.url={}\n\
         sasl.oauthbearer.expected.issuer={}\n\
         sasl.oauthbearer.expected.audience={AUDIENCE}\n\
         sasl.oauthbearer.clock.skew.seconds=0\n",
        listeners.concat(),
        oidc.jwks_url(),
        oidc.issuer()
    )
}
