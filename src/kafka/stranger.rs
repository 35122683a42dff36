//! Sessions that a cluster should refuse.

use tokio::time::Instant;

use super::{
    Error, Fault, Stage, admin,
    wire::{Client, Endpoint, open_until},
};
use crate::closed_enum::closed_enum;

/// A password that no user has.
const WRONG_PASSWORD: &str = "kafka-heartbeat tries whether a wrong password is refused";

closed_enum! {
    /// How a client comes to a broker that should refuse it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Stranger {
        /// Without a login, and without a certificate of its own.
        Anonymous = "anonymous",
        /// With a password that is wrong.
        WrongPassword = "wrong_password",
        /// Without TLS, to the listener that is used with TLS.
        Plaintext = "plaintext",
    }
}

closed_enum! {
    /// How a broker receives a client that it should refuse.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Reception {
        /// It let the client in.
        Accepted = "accepted",
        /// It answered that it refuses the client.
        Refused = "refused",
        /// It ended the session without an answer. Kafka does that if it does not expect the first bytes of a session. A load balancer
        /// without a broker, and a broker that stops, do the same.
        Ended = "ended",
    }
}

/// A client that a cluster should refuse. Its sessions count nowhere.
#[derive(Debug)]
pub struct StrangeClient {
    client: Client,
    stranger: Stranger,
}

impl StrangeClient {
    /// Makes a client of another one. `user` is the user whose password is wrong. `None` if the other client comes in the same way
    /// itself, so that there is nothing to try: it has no login and no certificate, no password, or no TLS.
    pub fn new(client: &Client, stranger: Stranger, user: &str) -> Option<Self> {
        let client = match stranger {
            Stranger::Anonymous => client.anonymous(),
            Stranger::WrongPassword => client.with_password(user, WRONG_PASSWORD),
            Stranger::Plaintext => client.without_tls(),
        };
        Some(Self { client: client?, stranger })
    }

    /// How a broker receives this client. A session without a login is accepted if the broker answers a request for its metadata,
    /// because ApiVersions is answered before a login.
    ///
    /// # Errors
    /// When that is not known, because the broker cannot be reached or does not answer before the deadline.
    pub async fn try_at(&self, broker: &Endpoint, deadline: Instant) -> Result<Reception, Error> {
        let opening = open_until(&self.client, broker, deadline).await;
        let answered = match (opening.result, self.stranger) {
            (Ok(session), Stranger::Anonymous) => {
                admin::brokers_of_broker(&session, deadline).await.map(drop)
            }
            (Ok(_), Stranger::WrongPassword | Stranger::Plaintext) => Ok(()),
            (Err(error), _) => Err(error),
        };
        match answered {
            Ok(()) => Ok(Reception::Accepted),
            Err(error) => self.reception(&error).ok_or(error),
        }
    }

    /// What the failure of a session says. `None` if it says nothing.
    fn reception(&self, error: &Error) -> Option<Reception> {
        let stage = error.stage();
        match error.fault() {
            Fault::Authentication | Fault::CertificateRefused | Fault::Authorization => {
                Some(Reception::Refused)
            }
            _ if matches!(stage, Some(Stage::Dns | Stage::Tcp)) => None,
            Fault::Disconnected if self.stranger == Stranger::WrongPassword => {
                (stage == Some(Stage::Sasl)).then_some(Reception::Ended)
            }
            Fault::Disconnected => Some(Reception::Ended),
            Fault::Tls if self.stranger != Stranger::WrongPassword => Some(Reception::Ended),
            // A listener with TLS answers a session without TLS with an alert, which is no answer of Kafka's protocol.
            Fault::Protocol if self.stranger == Stranger::Plaintext => Some(Reception::Ended),
            _ => None,
        }
    }
}
