//! The client of a running service: one request, with limits on time and size.

mod pinned;
mod request;

pub(super) use request::{Limits, Request};
