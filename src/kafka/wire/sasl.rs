//! The SASL login: SaslHandshake, then as many rounds of SaslAuthenticate as the mechanism needs.

use std::{
    error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::StrBytes,
};
use rsasl::prelude::{Mechname, SASLClient, SASLConfig, SASLError, Session};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Connection, VersionRange, guard};
#[cfg(feature = "gssapi")]
use crate::kafka::credentials::{GSSAPI, Negotiation};
use crate::{
    config::secret::redacted,
    kafka::{
        Error, Fault, Stage, TokenSource,
        credentials::{Credentials, Mechanism, Token},
    },
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

/// A login that needs nothing but the broker.
pub(super) enum Login<'a> {
    Password {
        mechanism: Mechanism,
        username: &'a str,
        password: &'a str,
    },
    Token {
        source: &'a TokenSource,
        token: Arc<Token>,
    },
    #[cfg(feature = "gssapi")]
    Ticket {
        principal: &'a str,
        negotiation: Negotiation,
        message: Vec<u8>,
    },
}

impl<'a> Login<'a> {
    /// Takes the password, the newest token, or a ticket for the broker at `host`. It comes before the connection, so that no
    /// stage of a session includes the time of an identity provider.
    ///
    /// # Errors
    /// The fault of the source if there is no token or ticket by half of the time until the deadline.
    pub(super) async fn prepare(
        credentials: &'a Credentials,
        #[cfg_attr(not(feature = "gssapi"), expect(unused_variables, reason = "a ticket is for one broker"))]
        host: &str,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
        match credentials {
            Credentials::Password { mechanism, username, password } => {
                Ok(Self::Password { mechanism: *mechanism, username, password: password.reveal() })
            }
            Credentials::Token(source) => Ok(Self::Token { source, token: source.token(half).await? }),
            #[cfg(feature = "gssapi")]
            Credentials::Ticket { source, service } => {
                let (negotiation, message) = source.begin(service, host, half).await?;
                Ok(Self::Ticket { principal: source.principal(), negotiation, message })
            }
        }
    }
}

/// Logs in on a connection, and sets the lifetime of its session.
///
/// # Errors
/// [`Fault::Authentication`] for wrong credentials, or for a mechanism that the broker does not offer.
pub(super) async fn authenticate(
    connection: &Connection,
    login: Login<'_>,
    deadline: Instant,
) -> Result<(), Error> {
    let lifetime = match login {
        Login::Token { source, token } => {
            choose_mechanism(connection, Mechanism::OauthBearer.as_str(), deadline).await?;
            send_token(connection, source, &token, deadline).await
        }
        Login::Password { mechanism, username, password } => {
            choose_mechanism(connection, mechanism.as_str(), deadline).await?;
            prove_password(connection, mechanism, username, password, deadline).await
        }
        #[cfg(feature = "gssapi")]
        Login::Ticket { principal, negotiation, message } => {
            choose_mechanism(connection, GSSAPI, deadline).await?;
            present_ticket(connection, principal, negotiation, message, deadline).await
        }
    };
    connection.set_lifetime(lifetime?);
    Ok(())
}

/// Logs in again on an open connection, which prolongs its session (KIP-368).
///
/// # Errors
/// As [`Login::prepare`] and [`authenticate`]. After an error of the broker, the connection cannot be used any more.
pub(super) async fn log_in_again(
    connection: &Connection,
    credentials: &Credentials,
    host: &str,
    deadline: Instant,
) -> Result<(), Error> {
    let login = Login::prepare(credentials, host, deadline).await?;
    let _held = connection.hold_requests(deadline).await?;
    // Another caller may have logged in meanwhile.
    if connection.needs_login() { authenticate(connection, login, deadline).await } else { Ok(()) }
}

/// Goes through the rounds of PLAIN or SCRAM.
async fn prove_password(
    connection: &Connection,
    mechanism: Mechanism,
    username: &str,
    password: &str,
    deadline: Instant,
) -> Result<Option<Duration>, Error> {
    let mut session = start(mechanism, username, password)?;
    let mechanism = mechanism.as_str();
    let who = format!("{mechanism} as {}", plain(username));
    let mut challenge: Option<Arc<[u8]>> = None;
    let mut lifetime = None;
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
            return Ok(lifetime);
        }
        let reply = send(connection, &who, message, deadline).await?;
        lifetime = reply.lifetime;
        if state.is_finished() {
            return Ok(lifetime);
        }
        check_iterations(&reply.challenge)?;
        challenge = Some(reply.challenge.as_ref().into());
    }
    Err(refused(format!("{mechanism} takes too many rounds")))
}

/// Sends a token (RFC 7628, section 3.1). A broker that refuses the token answers with a challenge, and ends the login
/// after one more message (section 3.2.3).
async fn send_token(
    connection: &Connection,
    source: &TokenSource,
    token: &Token,
    deadline: Instant,
) -> Result<Option<Duration>, Error> {
    let who =
        format!("OAUTHBEARER as {}", token.subject().map_or_else(|| "an unnamed owner".to_owned(), plain));
    let extensions = source.extensions().iter();
    let extensions: String = extensions.map(|(name, value)| format!("{name}={value}\x01")).collect();
    let message = format!("n,,\x01auth=Bearer {}\x01{extensions}\x01", token.reveal());
    let reasons = match send(connection, &who, message.into_bytes(), deadline).await {
        Ok(reply) if reply.challenge.is_empty() => return Ok(reply.lifetime),
        Ok(reply) => {
            // The broker has refused the token, whatever becomes of the connection now.
            let end = send(connection, &who, vec![1], deadline).await.err();
            [reason(&reply.challenge), end.as_ref().map(cause).unwrap_or_default()]
        }
        Err(error) if error.fault() == Fault::Authentication => [cause(&error), String::new()],
        Err(error) => return Err(error),
    };
    source.refused(token);
    let fault = token.fault_of_refusal(&reasons.join(" "), SystemTime::now());
    // Kafka's own brokers do not say what is wrong with a token, and the audience is often the reason.
    let audience =
        token.audience().map(|audience| format!(" (the audience of the token is {})", plain(audience)));
    let words = format!("the broker refuses the token: {}{}", reasons[0], audience.unwrap_or_default());
    Err(Error::new(fault, who).at(Stage::Sasl).because(words))
}

/// The broker's own words in an error of a login, without the name of who logs in.
fn cause(error: &Error) -> String {
    error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Goes through the rounds of GSSAPI, from the client's first message on.
#[cfg(feature = "gssapi")]
async fn present_ticket(
    connection: &Connection,
    principal: &str,
    mut negotiation: Negotiation,
    mut message: Vec<u8>,
    deadline: Instant,
) -> Result<Option<Duration>, Error> {
    let who = format!("GSSAPI as {}", plain(principal));
    for _ in 0..MAX_ROUNDS {
        let Reply { challenge, lifetime } = send(connection, &who, message, deadline).await?;
        if negotiation.is_complete() {
            return Ok(lifetime);
        }
        message = negotiation.answer(&challenge)?;
    }
    Err(refused("GSSAPI takes too many rounds".to_owned()))
}

/// The reason in the challenge with which a broker refuses a token: an object of JSON.
pub(super) fn reason(challenge: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Challenge {
        status: String,
        scope: Option<String>,
    }
    let quoted = |text: &str| plain(&redacted(text));
    match serde_json::from_slice(challenge) {
        Ok(Challenge { status, scope: None }) => quoted(&status),
        Ok(Challenge { status, scope: Some(scope) }) => {
            format!("{}, the scope {} is needed", quoted(&status), quoted(&scope))
        }
        Err(_) => "without a reason that can be read".to_owned(),
    }
}

/// Asks the broker for a login with this mechanism.
async fn choose_mechanism(
    connection: &Connection,
    mechanism: &'static str,
    deadline: Instant,
) -> Result<(), Error> {
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let response = connection.ask_during_login(&request, HANDSHAKE, deadline).await;
    let (response, _) = response.map_err(|error| error.at(Stage::Sasl))?;
    match response.error_code.err() {
        None => Ok(()),
        Some(ResponseError::IllegalSaslState) => {
            Err(refused("the listener takes no SASL: check the port and security.protocol".to_owned()))
        }
        Some(_) => {
            let offered: Vec<_> = response.mechanisms.iter().map(|offered| offered.as_str()).collect();
            let offered = plain(&offered.join(", "));
            Err(refused(format!("the broker offers {offered}, not {mechanism}")))
        }
    }
}

/// Starts the client's side of the mechanism.
fn start(mechanism: Mechanism, username: &str, password: &str) -> Result<Session, Error> {
    let mechanism = mechanism.as_str();
    let failed = |error: SASLError| refused(format!("{mechanism} cannot start: {error}"));
    let config =
        SASLConfig::with_credentials(None, username.to_owned(), password.to_owned()).map_err(failed)?;
    let name = Mechname::parse(mechanism.as_bytes()).map_err(|error| refused(error.to_string()))?;
    SASLClient::new(config).start_suggested(&[name]).map_err(failed)
}

/// The broker's answer in one round.
struct Reply {
    challenge: Bytes,
    /// The lifetime of the session. `None` if the broker does not limit it, or if the login goes on.
    lifetime: Option<Duration>,
}

/// Sends the client's message of one round, and returns the broker's answer.
async fn send(
    connection: &Connection,
    who: &str,
    message: Vec<u8>,
    deadline: Instant,
) -> Result<Reply, Error> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
    let response = connection.ask_during_login(&request, AUTHENTICATE, deadline).await;
    let (response, _) = response.map_err(|error| error.at(Stage::Sasl))?;
    let Some(error) = response.error_code.err() else {
        let lifetime = u64::try_from(response.session_lifetime_ms).ok().filter(|ms| *ms > 0);
        return Ok(Reply { challenge: response.auth_bytes, lifetime: lifetime.map(Duration::from_millis) });
    };
    let fault = match error {
        ResponseError::SaslAuthenticationFailed => Fault::Authentication,
        other => Fault::from_response(other),
    };
    let message = response.error_message.as_deref().map(|text| plain(&redacted(text))).unwrap_or_default();
    Err(Error::new(fault, who.to_owned()).at(Stage::Sasl).because(message))
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
