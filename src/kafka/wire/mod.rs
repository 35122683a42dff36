//! Our own thin client.

/// A client property that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyError {
    /// The property.
    pub key: String,
    /// Where it was set.
    pub place: String,
    /// What is wrong with it, without its value.
    pub message: String,
}
/// c
pub struct Cluster;
