//! Kerberos: tickets from a keytab, without any other program, for both Kafka clients.
//!
//! - `settings` reads the properties by librdkafka's names.
//! - `source` gets the first ticket of the principal and renews it; it keeps the ticket in a cache of this process.
//! - `krb5` requests that ticket from the KDC, and `gss` proves the principal to a broker with it. Both call the system's
//!   libraries of MIT Kerberos, and hold all unsafe code of this folder.
//! - `negotiation` is the client's side of the SASL mechanism GSSAPI.
//! - `faults` names the fault of an error code of these libraries.
//!
//! librdkafka logs in with the same cache, because it is the default cache of this process.

#[cfg(feature = "gssapi")]
mod faults;
#[cfg(feature = "gssapi")]
mod gss;
#[cfg(feature = "gssapi")]
mod krb5;
#[cfg(feature = "gssapi")]
mod negotiation;
mod settings;
#[cfg(feature = "gssapi")]
mod source;

#[cfg(feature = "gssapi")]
pub use krb5::CACHE;
#[cfg(feature = "gssapi")]
pub(in crate::kafka) use negotiation::Negotiation;
#[cfg(not(feature = "gssapi"))]
pub(super) use settings::OTHER_BUILD;
#[cfg(feature = "gssapi")]
pub(super) use settings::TicketSettings;
pub(in crate::kafka) use settings::{MECHANISM, is_kerberos};
#[cfg(feature = "gssapi")]
pub(super) use source::TicketSource;
