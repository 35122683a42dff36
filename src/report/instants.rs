//! Instants in JSON: RFC 3339 in UTC.

use std::time::SystemTime;

use crate::clock::{from_unix_ms, from_unix_seconds, unix_ms};

/// RFC 3339 of an instant, without fractions of a second.
pub(super) fn seconds_text(seconds: i64) -> String {
    let at =
        from_unix_seconds(seconds).filter(|_| seconds < 253_402_300_800).unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(at).to_string()
}

/// RFC 3339 of an instant, with milliseconds.
pub(super) fn millis_text(ms: i64) -> String {
    let at = from_unix_ms(ms).filter(|_| ms < 253_402_300_800_000).unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string()
}

fn parsed(text: &str) -> Result<i64, String> {
    humantime::parse_rfc3339(text).map(unix_ms).map_err(|error| format!("{text:?}: {error}"))
}

/// Seconds since 1970.
pub(super) mod seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(in super::super) fn serialize<S: Serializer>(seconds: &i64, to: S) -> Result<S::Ok, S::Error> {
        super::seconds_text(*seconds).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        let text = String::deserialize(from)?;
        super::parsed(&text).map(|ms| ms.div_euclid(1000)).map_err(D::Error::custom)
    }
}

/// Milliseconds since 1970.
pub(super) mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(in super::super) fn serialize<S: Serializer>(ms: &i64, to: S) -> Result<S::Ok, S::Error> {
        super::millis_text(*ms).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        super::parsed(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
