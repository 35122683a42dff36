//! Helpers that the integration tests share.
//!
//! Every test binary compiles this folder for itself and uses a part of it, so each declares
//! `#[expect(dead_code, reason = "…")] mod support;`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    thread,
    time::{Duration, Instant},
};

pub(crate) mod api;
pub(crate) mod certs;
pub(crate) mod connect;
pub(crate) mod groups;
pub(crate) mod kafka;
#[cfg(feature = "gssapi")]
pub(crate) mod kerberos;
pub(crate) mod msk_iam;
pub(crate) mod oauth;
pub(crate) mod operations;
pub(crate) mod port;
pub(crate) mod program;
pub(crate) mod registry;
pub(crate) mod sasl_client;
pub(crate) mod service;

/// Asks until there is an answer; panics with `what` when there is none within `limit`.
///
/// Blocks the thread: an async test calls it through `tokio::task::block_in_place`, or waits with a timer.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    try_wait(limit, &mut ask).unwrap_or_else(|| panic!("waited {limit:?} in vain for {what}"))
}

/// Asks until there is an answer, or `limit` has passed.
#[expect(clippy::disallowed_methods, reason = "the one place where tests wait between two attempts")]
pub(crate) fn try_wait<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if started.elapsed() >= limit {
            return None;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
