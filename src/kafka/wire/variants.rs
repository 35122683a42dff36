//! Clients that come to the same brokers in another way, as attackers would.

use super::Client;
use crate::kafka::credentials::{Credentials, Secret};

impl Client {
    /// A client without a login and without a certificate of its own. `None` if this client has neither.
    pub(in crate::kafka) fn anonymous(&self) -> Option<Self> {
        let mut settings = self.settings().as_ref().clone();
        let has_login = settings.sasl.take().is_some();
        let has_certificate = settings.tls.as_mut().is_some_and(|tls| tls.drop_own());
        (has_login || has_certificate).then(|| self.variant(settings))
    }

    /// A client with another user and password. `None` if this client has no password.
    pub(in crate::kafka) fn with_password(&self, user: &str, other: &str) -> Option<Self> {
        let mut settings = self.settings().as_ref().clone();
        let Some(Credentials::Password { username, password, .. }) = &mut settings.sasl else { return None };
        user.clone_into(username);
        *password = Secret::new(other);
        Some(self.variant(settings))
    }

    /// A client without TLS and without a login. `None` if this client uses no TLS.
    pub(in crate::kafka) fn without_tls(&self) -> Option<Self> {
        let mut settings = self.settings().as_ref().clone();
        settings.tls.take()?;
        settings.sasl = None;
        Some(self.variant(settings))
    }
}
