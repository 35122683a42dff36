//! The client's side of the SASL mechanism GSSAPI (RFC 4752, section 3.1).

use super::{
    faults::fault,
    gss::{Failure, Progress, SecurityContext},
};
use crate::{
    kafka::{Error, Fault, Stage},
    text::plain,
};

/// The security layer after the login: none, because TLS is the protection of a Kafka connection.
const NO_LAYER: u8 = 1;

/// A login that has begun: the ticket for the broker is there, and the broker was not asked yet.
pub(in crate::kafka) struct Negotiation {
    context: SecurityContext,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The context needs another message of the broker.
    Establishing,
    /// The context is complete, and the broker offers its security layers next.
    Established,
    /// The client has sent its last message.
    Complete,
}

impl Negotiation {
    /// Begins a login at a broker, by the tickets in the cache of this process. Returns the first message. Requests a ticket
    /// for the broker from the KDC if the cache has none, and blocks until then.
    ///
    /// # Errors
    /// [`Fault::ServicePrincipal`] if the KDC does not know the broker, or another fault of the KDC.
    pub(super) fn begin(service: &str, host: &str) -> Result<(Self, Vec<u8>), Error> {
        let begun = SecurityContext::new(&format!("{service}@{host}")).and_then(|mut context| {
            let Progress { message, .. } = context.step(&[])?;
            Ok((Self { context, state: State::Establishing }, message))
        });
        begun.map_err(|Failure { code, words }| {
            let what = format!("no ticket for the service {service} at {}", plain(host));
            Error::new(fault(code), what).at(Stage::Sasl).because(words)
        })
    }

    /// Whether the client has sent its last message, so that the next answer of the broker ends the login.
    pub(in crate::kafka) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Takes a message of the broker, and returns the next one of the client. Requests nothing.
    ///
    /// # Errors
    /// [`Fault::Authentication`] if the broker has not proved itself, or insists on a security layer.
    pub(in crate::kafka) fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = |Failure { words, .. }: Failure| refused("the broker's proof is wrong").because(words);
        if self.state == State::Establishing {
            let Progress { message, is_complete } = self.context.step(challenge).map_err(refused)?;
            if is_complete {
                self.state = State::Established;
            }
            return Ok(message);
        }
        let offer = self.context.unwrap(challenge).map_err(refused)?;
        let answer = self.context.wrap(&layer(&offer)?).map_err(refused)?;
        self.state = State::Complete;
        Ok(answer)
    }
}

/// The choice of a security layer: its bit, and three bytes for the largest message of a layer, which are zero without
/// one. No other identity is asked for.
fn layer(offer: &[u8]) -> Result<[u8; 4], Error> {
    match offer {
        [layers, _, _, _] if layers & NO_LAYER != 0 => Ok([NO_LAYER, 0, 0, 0]),
        [_, _, _, _] => Err(refused("the broker insists on a security layer of Kerberos")),
        _ => Err(Error::new(Fault::Protocol, "GSSAPI: the broker's offer is malformed").at(Stage::Sasl)),
    }
}

fn refused(words: &str) -> Error {
    Error::new(Fault::Authentication, format!("GSSAPI: {words}")).at(Stage::Sasl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offer_without_the_plain_layer_and_malformed_offer_are_refused() {
        assert_eq!(layer(&[7, 0, 1, 0]).expect("no layer is offered"), [1, 0, 0, 0]);
        let fault = |offer: &[u8]| layer(offer).expect_err("refused").fault();
        assert_eq!(fault(&[6, 0, 1, 0]), Fault::Authentication);
        assert_eq!(fault(&[]), Fault::Protocol);
        assert_eq!(fault(&[1, 0, 0, 0, 0]), Fault::Protocol);
    }
}
