//! A login with a token, and what the broker answers.

use std::time::Duration;

use kafka_protocol::messages::MetadataRequest;

use crate::support::sasl_client::SaslClient;

/// A connection after its first login. Dropping it closes the connection.
pub(crate) struct Login {
    client: SaslClient,
    /// The lifetime of the session that the broker grants (KIP-368).
    pub(crate) lifetime: Duration,
}

/// Signs in with a token at a listener without TLS.
///
/// # Errors
/// The broker's reason, if it refuses the token.
pub(crate) fn login(address: &str, token: &str) -> Result<Login, String> {
    let mut login = Login { client: SaslClient::plaintext(address), lifetime: Duration::ZERO };
    login.again(token)?;
    Ok(login)
}

impl Login {
    /// Signs in again on the same connection.
    ///
    /// # Errors
    /// The broker's reason, if it refuses the token.
    pub(crate) fn again(&mut self, token: &str) -> Result<(), String> {
        let mut answer = self.client.sign_in(token);
        // The broker's first answer to a wrong token is its reason as JSON. It ends the login when the client has replied.
        if answer.error_code == 0 && !answer.auth_bytes.is_empty() {
            answer = self.client.authenticate(b"\x01");
        }
        if answer.error_code != 0 {
            return Err(answer.error_message.as_deref().unwrap_or_default().to_owned());
        }
        self.lifetime = Duration::from_millis(answer.session_lifetime_ms.unsigned_abs());
        Ok(())
    }

    /// Whether the broker still answers a request.
    pub(crate) fn is_open(&mut self) -> bool {
        self.client.ask(&MetadataRequest::default().with_topics(Some(Vec::new())), 9).is_ok()
    }
}
