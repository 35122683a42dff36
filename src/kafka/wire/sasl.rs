//! The SASL login: SaslHandshake, then as many rounds of SaslAuthenticate as the mechanism needs.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::StrBytes,
};
use rsasl::prelude::{Mechname, SASLClient, SASLConfig, SASLError, Session};
use tokio::time::Instant;

use super::{Connection, VersionRange, credentials::Credentials, guard};
use crate::{
    kafka::{Error, Fault, Stage},
    text::plain,
};

const HANDSHAKE: VersionRange = VersionRange { lowest: 1, highest: 1 };
const AUTHENTICATE: VersionRange = VersionRange { lowest: 0, highest: 2 };

/// The largest number of rounds of a login, which is more than any mechanism needs. A broker must not be able to prolong
/// a login for ever.
pub(super) const MAX_ROUNDS: usize = 10;

/// The largest number of times that SCRAM hashes the password. Kafka itself allows 16,384. A broker that asks for
/// billions would stop the program.
const MAX_ITERATIONS: u32 = 100_000;

/// Logs in on a fresh connection.
///
/// # Errors
/// [`Fault::Authentication`] for wrong credentials, or for a mechanism that the broker does not offer.
pub(super) async fn authenticate(
    connection: &Connection,
    credentials: &Credentials,
    deadline: Instant,
) -> Result<(), Error> {
    let mechanism = credentials.mechanism.as_str();
    choose_mechanism(connection, mechanism, deadline).await?;
    let mut session = start(credentials)?;
    let mut challenge: Option<Arc<[u8]>> = None;
    for _ in 0..MAX_ROUNDS {
        let mut message = Vec::new();
        // The parser of a challenge is a library's code, and panics at some challenges that are too short.
        let step = guard::fenced(|| session.step(challenge.as_deref(), &mut message));
        let state = step.ok_or_else(|| {
            Error::new(Fault::Protocol, format!("{mechanism}: the broker's challenge is malformed"))
                .at(Stage::Sasl)
        })?;
        let state = state.map_err(|_| refused(format!("{mechanism}: the broker's proof is wrong")))?;
        if !state.has_sent_message() {
            return Ok(());
        }
        let response = send(connection, credentials, message, deadline).await?;
        if state.is_finished() {
            return Ok(());
        }
        check_iterations(&response)?;
        challenge = Some(response.as_ref().into());
    }
    Err(refused(format!("{mechanism} takes too many rounds")))
}

/// Asks the broker for a login with this mechanism.
async fn choose_mechanism(
    connection: &Connection,
    mechanism: &'static str,
    deadline: Instant,
) -> Result<(), Error> {
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let response = connection.ask(&request, HANDSHAKE, deadline).await;
    let response = response.map_err(|error| error.at(Stage::Sasl))?;
    match response.error_code.err() {
        None => Ok(()),
        Some(ResponseError::IllegalSaslState) => {
            Err(refused("the listener takes no SASL: check the port and security.protocol".to_owned()))
        }
        Some(_) => {
            let offered: Vec<_> = response.mechanisms.iter().map(|offered| plain(offered)).collect();
            Err(refused(format!("the broker offers {}, not {mechanism}", offered.join(", "))))
        }
    }
}

/// Starts the client's side of the mechanism.
fn start(credentials: &Credentials) -> Result<Session, Error> {
    let mechanism = credentials.mechanism.as_str();
    let failed = |error: SASLError| refused(format!("{mechanism} cannot start: {error}"));
    let (username, password) = (credentials.username.clone(), credentials.password.reveal().to_owned());
    let config = SASLConfig::with_credentials(None, username, password).map_err(failed)?;
    let name = Mechname::parse(mechanism.as_bytes()).map_err(|error| refused(error.to_string()))?;
    SASLClient::new(config).start_suggested(&[name]).map_err(failed)
}

/// Sends the client's message of one round, and returns the broker's challenge.
async fn send(
    connection: &Connection,
    credentials: &Credentials,
    message: Vec<u8>,
    deadline: Instant,
) -> Result<Bytes, Error> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
    let response = connection.ask(&request, AUTHENTICATE, deadline).await;
    let response = response.map_err(|error| error.at(Stage::Sasl))?;
    let Some(error) = response.error_code.err() else { return Ok(response.auth_bytes) };
    let fault = match error {
        ResponseError::SaslAuthenticationFailed => Fault::Authentication,
        other => Fault::from_response(other),
    };
    let what = format!("{} as {}", credentials.mechanism.as_str(), plain(&credentials.username));
    let message = response.error_message.as_deref().map(plain).unwrap_or_default();
    Err(Error::new(fault, what).at(Stage::Sasl).because(message))
}

/// Refuses a challenge that would make the client hash its password for minutes. The number of iterations, `i=`, is only
/// in SCRAM's first challenge.
pub(super) fn check_iterations(challenge: &[u8]) -> Result<(), Error> {
    let count = challenge.split(|byte| *byte == b',').find_map(|part| part.strip_prefix(b"i="));
    let Some(count) = count else { return Ok(()) };
    match str::from_utf8(count).ok().and_then(|count| count.parse::<u32>().ok()) {
        Some(count) if count <= MAX_ITERATIONS => Ok(()),
        _ => Err(refused("the broker asks for more iterations than are sensible".to_owned())),
    }
}

fn refused(what: String) -> Error {
    Error::new(Fault::Authentication, what).at(Stage::Sasl)
}
