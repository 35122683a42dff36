//! The SASL mechanism, the user and the password of the wire client.

use std::fmt;

use super::properties::PropertyReader;
use crate::closed_enum::closed_enum;

closed_enum! {
    /// The SASL mechanisms that the wire client speaks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Mechanism {
        Plain = "PLAIN",
        ScramSha256 = "SCRAM-SHA-256",
        ScramSha512 = "SCRAM-SHA-512",
    }
}

/// A password. Its value is never printed.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The user and the proof with which the wire client logs in.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) mechanism: Mechanism,
    pub(super) username: String,
    pub(super) password: Secret,
}

impl Credentials {
    /// Reads the `sasl.*` properties. `None` if one of them cannot be used; its error is left with the reader.
    pub(super) fn read(reader: &mut PropertyReader<'_>) -> Option<Self> {
        let named = ["sasl.mechanism", "sasl.mechanisms"].into_iter().find(|key| reader.get(key).is_some());
        let wanted = named.and_then(|key| reader.get(key));
        let mechanism = Mechanism::ALL.into_iter().find(|known| Some(known.as_str()) == wanted);
        if mechanism.is_none() {
            let problem = if named.is_some() { "expected" } else { "is missing: set it to" };
            let message = format!("{problem} PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512");
            reader.error(named.unwrap_or("sasl.mechanism"), message);
        }
        if mechanism.is_none() && named.is_some() {
            // Which other properties are needed depends on the mechanism.
            return None;
        }
        for key in ["sasl.username", "sasl.password"] {
            if reader.get(key).is_none() {
                let mechanism = mechanism.map_or("SASL", Mechanism::as_str);
                reader.error(key, format!("is missing: {mechanism} wants one"));
            }
        }
        let username = reader.get("sasl.username")?.to_owned();
        let password = Secret(reader.get("sasl.password")?.to_owned());
        Some(Self { mechanism: mechanism?, username, password })
    }
}
