//! Requests to services beside Kafka that answer with JSON, such as a Schema Registry.
//!
//! A service may be silent, slow or hostile. So each request has a deadline, an answer is read up to a limit, no redirect is
//! followed, and no proxy is used. The text of an error holds no secret and no control character.
//!
//! - `client` sends requests, with the login and the certificates of the configuration.
//! - `fault` is the list of what can go wrong, and finds the fault of an error.
//! - `measured` counts and times requests, and keeps the failures in a row.
//! - `node` is one node of a service, with the name that pages and metrics show.

mod client;
mod fault;
mod measured;
mod node;

pub use client::{Answer, Change, Client, Request};
pub use fault::{Failure, Fault};
pub use measured::{Failing, Measured};
pub use node::Node;
