//! The forms of the answer of `/metrics`, and which form a request asks for.

use axum::http::{HeaderMap, header};

use crate::export::prometheus::Format;

/// The form of an answer. The order matters: of each format the form without gzip comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub(super) format: Format,
    /// Whether the answer is packed with gzip.
    pub(super) gzip: bool,
}

impl Form {
    /// The form that a request asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            format: Format::negotiate(value(header::ACCEPT)),
            gzip: accepts_gzip(value(header::ACCEPT_ENCODING)),
        }
    }
}

/// Whether an `Accept-Encoding` header allows gzip by name.
fn accepts_gzip(accept: &str) -> bool {
    accept.split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let quality = |part: &str| part.strip_prefix("q=").map(|q| q.parse().unwrap_or(0.0));
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
            && parts.find_map(quality).is_none_or(|quality: f64| quality > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_if_it_is_named_and_not_forbidden() {
        for accept in ["gzip", "deflate, gzip;q=0.5", "GZIP", "gzip;q=1.0, *;q=0"] {
            assert!(accepts_gzip(accept), "{accept}");
        }
        for accept in ["", "identity", "gzip;q=0", "gzip; q=0.0", "br, deflate", "gzipped", "gzip;q=x"] {
            assert!(!accepts_gzip(accept), "{accept}");
        }
    }
}
