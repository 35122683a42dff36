//! A real identity provider and a real broker that takes its tokens.
//!
//! [`OidcServer`](oidc::OidcServer) gives out tokens, and the broker of [`broker::start`] logs clients in with these
//! tokens. Both are Java programs on free loopback ports. `None` in place of either means that this machine cannot run it:
//! the test prints so and passes, unless `CI=true` or `REQUIRE_KAFKA=1` make that a failure.

pub(crate) mod broker;
pub(crate) mod oidc;
