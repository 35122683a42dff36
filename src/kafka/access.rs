//! What librdkafka's clients of one cluster log in with: the newest properties that work, and the source of tokens.

use std::sync::Arc;

use tokio::sync::watch;

use super::TokenSource;
use crate::config::{self, Properties};

/// The newest certificates, keys, passwords and tokens of one cluster.
#[derive(Debug, Clone)]
pub struct Access {
    properties: watch::Receiver<Arc<Properties>>,
    tokens: Option<Arc<TokenSource>>,
    /// The properties at the last change of certificates that [`Access::certificates_changed`] returned.
    used: Arc<Properties>,
}

impl Access {
    pub(super) fn new(
        properties: watch::Receiver<Arc<Properties>>,
        tokens: Option<Arc<TokenSource>>,
    ) -> Self {
        let used = properties.borrow().clone();
        Self { properties, tokens, used }
    }

    /// The source of the tokens with which both Kafka clients log in. `None` for a login without tokens.
    pub fn tokens(&self) -> Option<&Arc<TokenSource>> {
        self.tokens.as_ref()
    }

    /// Waits until the certificates, the key or the CA certificates are others than at the last call, or than when the value
    /// was made. A client of librdkafka has to be replaced then. May be dropped at any await.
    pub async fn certificates_changed(&mut self) {
        loop {
            let newest = self.properties.borrow_and_update().clone();
            let used = std::mem::replace(&mut self.used, newest);
            if !is_same_tls(&used, &self.used) {
                return;
            }
            if self.properties.changed().await.is_err() {
                // No newer properties will come.
                std::future::pending().await
            }
        }
    }

    /// The newest properties of `[kafka]`.
    pub(super) fn properties(&self) -> Arc<Properties> {
        self.properties.borrow().clone()
    }

    /// The settings of the cluster with the newest properties of `[kafka]`.
    pub(super) fn newest(&self, cluster: &config::Cluster) -> config::Cluster {
        config::Cluster { kafka: self.properties.borrow().as_ref().clone(), ..cluster.clone() }
    }
}

/// Whether two sets of properties secure a connection by TLS in the same way. If they do not, librdkafka needs another
/// client: it takes passwords and tokens while it runs, but no certificates.
pub(super) fn is_same_tls(one: &Properties, other: &Properties) -> bool {
    fn tls(properties: &Properties) -> impl Iterator<Item = (&str, &str)> {
        let all = properties.0.iter().map(|(key, property)| (key.as_str(), property.value.as_str()));
        all.filter(|(key, _)| key.starts_with("ssl."))
    }
    tls(one).eq(tls(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Property;

    #[test]
    fn tls_is_another_if_a_certificate_changes_and_the_same_if_a_password_changes() {
        let properties = |certificate: &str, password: &str| {
            let pairs = [("ssl.certificate.pem", certificate), ("sasl.password", password)];
            let pairs = pairs.map(|(key, value)| {
                (key.to_owned(), Property { value: value.to_owned(), place: String::new() })
            });
            Properties(pairs.into())
        };
        assert!(is_same_tls(&properties("one", "hush"), &properties("one", "other")));
        assert!(!is_same_tls(&properties("one", "hush"), &properties("two", "hush")));
    }
}
