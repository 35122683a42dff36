//! A real KDC of MIT Kerberos and a real broker that takes its tickets.
//!
//! [`Kdc`](kdc::Kdc) has a realm of its own in a folder of its own, and a free loopback port. `None` in place of either means
//! that this machine cannot run it: the test prints so and passes, unless `CI=true` or `REQUIRE_KAFKA=1` make that a failure.

pub(crate) mod broker;
pub(crate) mod kdc;
