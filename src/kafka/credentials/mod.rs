//! The credentials of one cluster, which serve both Kafka clients.
//!
//! - `secret` is a text that is never printed.
//! - `login` reads the SASL mechanism with its user and password, or with its source of tokens.
//! - `token` is an access token of OAuth 2.0, `settings` is where it comes from: `token_endpoint` requests one from
//!   an identity provider, `token_file` reads one from a file, and `msk_iam` signs one with credentials of AWS.
//! - `assertion` signs the statements that stand in for the secret of a client.
//! - `clocks` compares the clocks of this machine and of an identity provider.
//! - `https` is TLS to an identity provider and to AWS.
//! - `renewal` is the loop that renews a token or a ticket. `record` counts renewals and their failures, and
//!   `file_records` those of certificates and passwords in files.
//! - `kerberos` gets tickets from a KDC, with the key of a keytab.
//! - `source` keeps the newest token: it renews the token before it expires, and reports the last failure.

mod assertion;
mod clocks;
mod file_records;
mod https;
mod kerberos;
mod login;
mod msk_iam;
mod record;
mod renewal;
mod secret;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod token;
mod token_endpoint;
mod token_file;

pub(super) use assertion::FILES as ASSERTION_FILES;
pub(super) use file_records::FileRecords;
#[cfg(feature = "gssapi")]
pub use kerberos::CACHE as TICKET_CACHE;
#[cfg(feature = "gssapi")]
pub(super) use kerberos::Negotiation;
pub(super) use kerberos::{MECHANISM as GSSAPI, is_kerberos};
pub(super) use login::{Credentials, Mechanism};
pub use record::{Credential, CredentialKind, RenewalFailure};
pub(super) use secret::Secret;
pub(super) use settings::{concerns_tokens, token_keys};
pub(super) use source::Latest;
pub use source::TokenSource;
pub(super) use token::Token;
