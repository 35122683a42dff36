//! The environment variables of the process.

use std::{collections::BTreeMap, env, ffi::OsString};

#[cfg(feature = "gssapi")]
use crate::kafka::TICKET_CACHE;

/// The variables of the environment whose names and values are text.
pub fn environment() -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(text).collect()
}

/// Makes a cache in memory the default cache of Kerberos tickets of this process, whatever the environment says: librdkafka
/// uses the default cache, and no ticket may get into the cache of a user. Must be called before any thread is started.
#[cfg(feature = "gssapi")]
#[expect(unsafe_code, reason = "other threads may read the environment, but none runs yet")]
#[expect(clippy::disallowed_methods, reason = "the library of Kerberos reads it, and this program does not")]
pub fn keep_tickets_in_memory() {
    // SAFETY: no other thread runs yet.
    unsafe { env::set_var("KRB5CCNAME", TICKET_CACHE.to_string_lossy().as_ref()) };
}
