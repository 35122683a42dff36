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
use crate::{config::Properties, kafka::Access, sync::lock, text::plain};

/// Hands the newest login of a cluster to one client.
pub(super) struct LoginFeed {
    tokens: TokenFeed,
    access: Access,
    /// The properties whose user and password the client has.
    used: Mutex<Arc<Properties>>,
}

impl LoginFeed {
    /// A feed for a client that is made from the newest properties after this call.
    pub(super) fn new(access: &Access) -> Self {
        let used = Mutex::new(access.properties());
        Self { tokens: TokenFeed::new(access.tokens().map(Arc::as_ref)), access: access.clone(), used }
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
        let login = |properties: &Properties| {
            let [user, password] =
                ["sasl.username", "sasl.password"].map(|key| properties.get(key).map(str::to_owned));
            user.zip(password)
        };
        if let Some((user, password)) = login(&newest)
            && login(&used).as_ref() != Some(&(user.clone(), password.clone()))
            && let Err(words) = set(client, &user, &password)
        {
            tracing::warn!("librdkafka refuses the user and the password: {words}");
        }
        *used = newest;
    }
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
