//! Paths that are treated in a way of their own.

/// Whether a path is a health check: it is answered without a login, a token or a client certificate, and also when the
/// limit of connections is reached.
pub(super) fn is_health(path: &str) -> bool {
    ["/livez", "/health", "/readyz", "/ready"].contains(&path)
}

/// Whether the answer of this path has no end: a stream of events.
pub(super) fn is_endless(path: &str) -> bool {
    path == "/events"
}
