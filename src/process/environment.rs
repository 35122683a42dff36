//! The environment variables of the process.

use std::{collections::BTreeMap, env, ffi::OsString};

/// The variables of the environment whose names and values are text.
pub fn environment() -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(text).collect()
}
