//! Hands the tokens of a cluster to a client of librdkafka.
//!
//! rdkafka's own callback for tokens drops the SASL extensions, so the token is set directly. Each send and each poll
//! first sets a token that is newer than the one of the client.

use std::{
    ffi::{CStr, CString, c_char},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rdkafka::{
    ClientContext,
    bindings::{rd_kafka_oauthbearer_set_token, rd_kafka_resp_err_t},
    client::Client,
};
use tokio::sync::watch;

use crate::{
    clock::unix_ms,
    kafka::credentials::{Latest, Token, TokenSource},
    sync::lock,
    text::plain,
};

/// The name of a principal whose token does not name its owner. The broker takes the principal from the token.
const NAMELESS: &str = "kafka-heartbeat";

/// The pause between two checks for the first token.
const FIRST_TOKEN_POLL: Duration = Duration::from_millis(20);

/// The longest text of an error of librdkafka, in bytes.
const LONGEST_ERROR: usize = 512;

/// Hands the tokens of a cluster to one client.
pub(super) struct TokenFeed(Option<Feed>);

struct Feed {
    /// Locked while a token is set, so that an older token never replaces a newer one.
    state: Mutex<FeedState>,
    /// The names and values of the SASL extensions, one after the other.
    extensions: Vec<CString>,
}

struct FeedState {
    latest: watch::Receiver<Latest>,
    /// The token of the client. `None` before the first.
    set: Option<Arc<Token>>,
}

impl TokenFeed {
    /// A feed of these tokens. `None` for a client that logs in without tokens.
    pub(super) fn new(tokens: Option<&TokenSource>) -> Self {
        Self(tokens.map(|tokens| {
            let mut latest = tokens.subscribe();
            latest.mark_changed();
            let texts = tokens.extensions().iter().flat_map(|(name, value)| [name, value]);
            let extensions = texts.filter_map(|text| CString::new(text.as_str()).ok()).collect();
            Feed { state: Mutex::new(FeedState { latest, set: None }), extensions }
        }))
    }

    /// Waits until there is a first token, at most for `limit`, and sets it. Returns the time that is left. While a client
    /// blocks in a request, its token is not set.
    pub(super) fn push_first<C: ClientContext>(&self, client: &Client<C>, limit: Duration) -> Duration {
        let Some(feed) = &self.0 else { return limit };
        let end = Instant::now() + limit;
        while lock(&feed.state).latest.borrow().token.is_none() && Instant::now() < end {
            thread::park_timeout(FIRST_TOKEN_POLL);
        }
        self.push(client);
        end.saturating_duration_since(Instant::now())
    }

    /// Sets the newest token, if the client does not have it yet.
    pub(super) fn push<C: ClientContext>(&self, client: &Client<C>) {
        let Some(feed) = &self.0 else { return };
        let mut state = lock(&feed.state);
        if !state.latest.has_changed().unwrap_or(false) {
            return;
        }
        let newest = state.latest.borrow_and_update().token.clone();
        let newest = newest.filter(|token| token.usable_until() > SystemTime::now());
        let Some(token) = newest else { return };
        if state.set.as_ref().is_some_and(|set| Arc::ptr_eq(set, &token)) {
            return;
        }
        match set(client, &token, &feed.extensions) {
            Ok(()) => state.set = Some(token),
            Err(words) => tracing::warn!("librdkafka refuses the token: {words}"),
        }
    }
}

/// Sets a token in a client, for its next logins.
///
/// # Errors
/// Why librdkafka refuses the token.
fn set<C: ClientContext>(client: &Client<C>, token: &Token, extensions: &[CString]) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let value = text(token.reveal())?;
    let principal = token.subject().and_then(|subject| CString::new(subject).ok());
    let principal = principal.map_or_else(|| text(NAMELESS), Ok)?;
    // librdkafka multiplies the milliseconds by a thousand.
    let expires = unix_ms(token.usable_until()).min(i64::MAX / 1000);
    let mut pairs: Vec<*const c_char> = extensions.iter().map(|text| text.as_ptr()).collect();
    let mut error = [0 as c_char; LONGEST_ERROR];
    #[expect(unsafe_code, reason = "the safe function of rdkafka drops the extensions")]
    // SAFETY: the client is alive, and librdkafka copies all texts, which end with a zero and outlive the call. The error
    // is written with its zero into a buffer of the given length.
    let (code, error) = unsafe {
        let code = rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            expires,
            principal.as_ptr(),
            pairs.as_mut_ptr(),
            pairs.len(),
            error.as_mut_ptr(),
            error.len(),
        );
        (code, CStr::from_ptr(error.as_ptr()).to_string_lossy().into_owned())
    };
    if code == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(plain(&error)) }
}
