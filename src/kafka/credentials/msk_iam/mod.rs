//! MSK IAM: tokens that are signed with the credentials of AWS.
//!
//! - `settings` reads the properties, with the region of the cluster.
//! - `signer` gets credentials and signs tokens; `http` sends the requests of AWS's library for credentials.
//! - `sign` makes the token of credentials.

mod http;
mod settings;
mod sign;
mod signer;

pub(in crate::kafka) use settings::KEYS;
pub(super) use settings::MskIamSettings;
pub(super) use signer::MskIam;
