//! Our own thin client.
