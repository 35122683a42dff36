//! Paths that are treated in a way of their own.

/// Whether a path is a health check: it is answered without a password, and when no other path is.
pub(super) fn is_health(path: &str) -> bool {
    ["/livez", "/health", "/readyz", "/ready"].contains(&path)
}

/// Whether the answer of this path has no end: a stream of events.
pub(super) fn is_endless(path: &str) -> bool {
    path == "/events"
}
