//! Authentication: SaslHandshake, then as many SaslAuthenticate as the mechanism wants.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::StrBytes,
};
use rsasl::prelude::{Mechname, SASLClient, SASLConfig};
use tokio::time::Instant;

use super::{Connection, Range, guard, settings::Secret};
use crate::{
    closed_enum::closed_enum,
    kafka::{Error, Fault, Stage},
    text::plain,
};

const HANDSHAKE: Range = Range { lowest: 1, highest: 1 };
const AUTHENTICATE: Range = Range { lowest: 0, highest: 2 };

/// More rounds than any mechanism needs: a peer must not keep us talking.
pub(super) const MOST_ROUNDS: usize = 10;

/// Hashing a password this often takes a moment; Kafka itself allows 16,384 rounds. A broker that asks
/// for billions would stop the program.
const MOST_ITERATIONS: u32 = 100_000;

/// Who we are and how we prove it.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) mechanism: Mechanism,
    pub(super) username: String,
    pub(super) password: Secret,
}

closed_enum! {
    /// The mechanisms of the wire client.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Mechanism {
        Plain = "PLAIN",
        ScramSha256 = "SCRAM-SHA-256",
        ScramSha512 = "SCRAM-SHA-512",
    }
}

/// Authenticates on a fresh connection.
///
/// # Errors
/// [`Fault::Authentication`] for wrong credentials or a mechanism the broker does not offer.
pub(super) async fn authenticate(
    connection: &Connection,
    who: &Credentials,
    deadline: Instant,
) -> Result<(), Error> {
    let mechanism = who.mechanism.as_str();
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let answer =
        connection.ask(&request, HANDSHAKE, deadline).await.map_err(|error| error.at(Stage::Sasl))?;
    if let Some(error) = answer.error_code.err() {
        if error == ResponseError::IllegalSaslState {
            return Err(refused(
                "the listener takes no SASL: check the port and security.protocol".to_owned(),
            ));
        }
        let offered = answer.mechanisms.iter().map(|offered| plain(offered)).collect::<Vec<_>>().join(", ");
        return Err(refused(format!("the broker offers {offered}, not {mechanism}")));
    }
    let fail = |error: rsasl::prelude::SASLError| refused(format!("{mechanism} cannot start: {error}"));
    let config = SASLConfig::with_credentials(None, who.username.clone(), who.password.reveal().to_owned());
    let client = SASLClient::new(config.map_err(fail)?);
    let name = Mechname::parse(mechanism.as_bytes()).map_err(|error| refused(error.to_string()))?;
    let mut session = client.start_suggested(&[name]).map_err(fail)?;
    let mut heard: Option<Arc<[u8]>> = None;
    for _ in 0..MOST_ROUNDS {
        let mut said = Vec::new();
        // The parser of a challenge is foreign code, and panics at a few that are too short.
        let step = guard::fenced(|| session.step(heard.as_deref(), &mut said));
        let state = step.ok_or_else(|| {
            Error::new(Fault::Protocol, format!("{mechanism}: the broker's challenge is malformed"))
                .at(Stage::Sasl)
        })?;
        let state = state.map_err(|_| refused(format!("{mechanism}: the broker's proof is wrong")))?;
        if !state.has_sent_message() {
            return Ok(());
        }
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(said));
        let answer =
            connection.ask(&request, AUTHENTICATE, deadline).await.map_err(|error| error.at(Stage::Sasl))?;
        if let Some(error) = answer.error_code.err() {
            let words = answer.error_message.as_deref().map(plain).unwrap_or_default();
            let fault = match error {
                ResponseError::SaslAuthenticationFailed => Fault::Authentication,
                other => Fault::from_response(other),
            };
            return Err(Error::new(fault, format!("{mechanism} as {}", plain(&who.username)))
                .at(Stage::Sasl)
                .because(words));
        }
        if state.is_finished() {
            return Ok(());
        }
        affordable(&answer.auth_bytes)?;
        heard = Some(answer.auth_bytes.as_ref().into());
    }
    Err(refused(format!("{mechanism} takes too many rounds")))
}

/// Refuses a challenge that would have us hash for minutes. Only SCRAM's first one has a count, `i=`.
pub(super) fn affordable(challenge: &[u8]) -> Result<(), Error> {
    let count = challenge.split(|byte| *byte == b',').find_map(|part| part.strip_prefix(b"i="));
    let Some(count) = count else { return Ok(()) };
    match str::from_utf8(count).ok().and_then(|count| count.parse::<u32>().ok()) {
        Some(count) if count <= MOST_ITERATIONS => Ok(()),
        _ => Err(refused("the broker asks for more iterations than are sensible".to_owned())),
    }
}

fn refused(what: String) -> Error {
    Error::new(Fault::Authentication, what).at(Stage::Sasl)
}
