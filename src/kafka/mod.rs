//! Everything that speaks Kafka's protocol.
//!
//! There are two clients. `native` wraps librdkafka, which carries the heartbeats because real applications use it. `wire`
//! is the project's own thin client for all other requests, because librdkafka cannot time the stages of a connection, and
//! its admin requests abort the process when a broker is sick. `admin` words the requests of the wire client, and
//! `capability` remembers which of them the cluster refuses.
//!
//! `properties` reads the properties of both clients, and `credentials` is the login of both, with tokens that are renewed.
//! `private_key` reads keys in PEM. `rotation` watches the files of certificates, keys and passwords, and `access` hands
//! the newest to librdkafka's clients.
//!
//! `stranger` is a client that a cluster should refuse. `fault` is the list of what can go wrong, and `classify` finds the fault of an error. `ids` are the ids of brokers and
//! topics, `topic_partition` names a partition. `descriptors` finds out whether this process can open a connection at all.

mod access;
pub mod admin;
pub mod capability;
mod classify;
mod credentials;
pub mod descriptors;
pub mod fault;
mod ids;
pub mod native;
mod private_key;
mod properties;
pub mod rotation;
mod stranger;
mod topic_partition;
pub mod wire;

pub use access::Access;
pub use capability::{Capability, Permission, Request};
#[cfg(feature = "gssapi")]
pub use credentials::TICKET_CACHE;
pub use credentials::{Credential, CredentialKind, RenewalFailure, TokenSource};
pub use fault::{Error, Fault, Stage};
pub use ids::{BrokerId, TopicId};
pub use properties::PropertyError;
pub use stranger::{Reception, StrangeClient, Stranger};
pub use topic_partition::TopicPartition;
