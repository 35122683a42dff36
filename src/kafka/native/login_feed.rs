//! Hands the newest login of a cluster to a client of librdkafka: a token, or a user with a password.
//!
//! librdkafka takes both while it runs, for its next logins. Each send and each poll first hands over what is newer.

use std::{
    ffi::{CStr, CString},
    sync::{Arc, Mutex},
    time::Duration,
};

use rdkafka::{
    ClientContext,
    bindings::{rd_kafka_error_destroy, rd_kafka_error_string, rd_kafka_sasl_set_credentials},
    client::Client,
};

use super::token_feed::TokenFeed;
use crate::{
    config::{self, Properties},
    kafka::Access,
    sync::lock,
    text::plain,
};

/// Hands the newest login of a cluster to one client.
pub(super) struct LoginFeed {
    cluster: String,
    tokens: TokenFeed,
    access: Access,
    /// The properties of the client's own section, which are laid over those of `[kafka]`.
    own: Properties,
    /// The properties of `[kafka]` whose user and password the client has.
    used: Mutex<Arc<Properties>>,
}

impl LoginFeed {
    /// A feed for a client that is made from the newest properties after this call. `own` is the section of the client.
    pub(super) fn new(cluster: &config::Cluster, access: &Access, own: &Properties) -> Self {
        Self {
            cluster: cluster.name.clone(),
            tokens: TokenFeed::new(access.tokens().map(Arc::as_ref)),
            access: access.clone(),
            own: own.clone(),
            used: Mutex::new(access.properties()),
        }
    }

    /// Waits for the first token, at most for `limit`, and hands over what is newer. Returns the time that is left.
    pub(super) fn push_first<C: ClientContext>(&self, client: &Client<C>, limit: Duration) -> Duration {
        self.push_password(client);
        self.tokens.push_first(client, limit)
    }

    /// Hands the newest login over, if the client does not have it yet.
    pub(super) fn push<C: ClientContext>(&self, client: &Client<C>) {
        self.push_password(client);
        self.tokens.push(client);
    }

    fn push_password<C: ClientContext>(&self, client: &Client<C>) {
        let newest = self.access.properties();
        let mut used = lock(&self.used);
        if Arc::ptr_eq(&used, &newest) {
            return;
        }
        if let Some((user, password)) = login(&self.own, &newest)
            && login(&self.own, &used) != Some((user, password))
            && let Err(words) = set(client, user, password)
        {
            // librdkafka would refuse the same texts again, so there is no second attempt.
            let cluster = &self.cluster;
            tracing::warn!(cluster, "librdkafka refuses the user and the password: {words}");
        }
        *used = newest;
    }
}

/// The user and the password of a client, each from its own section, or else from `[kafka]`. `None` if one of them is
/// missing.
fn login<'a>(own: &'a Properties, shared: &'a Properties) -> Option<(&'a str, &'a str)> {
    let value = |key| own.get(key).or_else(|| shared.get(key));
    value("sasl.username").zip(value("sasl.password"))
}

/// Sets the user and the password in a client, for its next logins. Open connections go on.
///
/// # Errors
/// Why librdkafka refuses them.
fn set<C: ClientContext>(client: &Client<C>, user: &str, password: &str) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|_| "a text holds a zero byte".to_owned());
    let (user, password) = (text(user)?, text(password)?);
    #[expect(unsafe_code, reason = "rdkafka has no safe function for this")]
    // SAFETY: the client is alive, and librdkafka copies both texts, which end with a zero and outlive the call. The error is
    // null, or is read and then given back.
    let refusal = unsafe {
        let error = rd_kafka_sasl_set_credentials(client.native_ptr(), user.as_ptr(), password.as_ptr());
        (!error.is_null()).then(|| {
            let words = CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy().into_owned();
            rd_kafka_error_destroy(error);
            words
        })
    };
    refusal.map_or(Ok(()), |words| Err(plain(&words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Property;

    #[test]
    fn login_of_a_client_with_a_section_of_its_own_does_not_change_with_the_shared_login() {
        let properties = |pairs: &[(&str, &str)]| {
            let property = |value: &str| Property { value: value.to_owned(), place: String::new() };
            Properties(pairs.iter().map(|(key, value)| ((*key).to_owned(), property(value))).collect())
        };
        let shared = properties(&[("sasl.username", "shared"), ("sasl.password", "renewed")]);
        let none = properties(&[]);
        assert_eq!(login(&none, &shared), Some(("shared", "renewed")));
        let own = properties(&[("sasl.username", "own"), ("sasl.password", "fixed")]);
        assert_eq!(login(&own, &shared), Some(("own", "fixed")));
        let user = properties(&[("sasl.username", "own")]);
        assert_eq!(login(&user, &shared), Some(("own", "renewed")), "the password is that of [kafka]");
        assert_eq!(login(&user, &none), None);
    }
}
