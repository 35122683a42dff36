//! MSK IAM for the tests: a real broker that verifies the tokens, AWS's own client, and a bare login.
//!
//! The broker uses `tests/java/MskIamVerifier.java`, which computes each signature again and shares no code with the
//! program or with AWS. [`broker::MskIam::start`] and [`aws_client::AwsClient::find`] return `None` where Java or Maven is
//! missing: the test prints the reason and passes, unless `CI=true` or `REQUIRE_KAFKA=1` make that a failure.

pub(crate) mod access_key;
pub(crate) mod aws_client;
pub(crate) mod broker;
mod java;
pub(crate) mod login;
