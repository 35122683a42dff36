//! Families of the credentials that are renewed while the service runs.

use super::{Family, Kind, family::family};

families! {
    pub static EXPIRY: Family<2> = family(
        "heartbeat_credential_expiry_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "kind"],
        "Unix time at which the newest credential for the cluster expires, by kind: token or ticket. Absent before the first credential, and if a credential does not say when it expires.",
    );

    pub static RENEWALS: Family<3> = family(
        "heartbeat_credential_renewals_total",
        Kind::Counter,
        &["kafka_cluster", "kind", "result"],
        "Renewals of the credentials for the cluster, by kind (token, ticket, certificate, password) and result: ok (new, or failures ended) or the fault of a failure. Absent without a renewed credential.",
    );

    pub static FETCH: Family<1> = family(
        "heartbeat_token_fetch_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster"],
        "Time from a request for a token to the identity provider's whole answer, with any status. Requests without an answer are left out. Absent for a cluster without an identity provider.",
    );

    pub static CLOCK: Family<1> = family(
        "heartbeat_identity_provider_clock_difference_seconds",
        Kind::Gauge,
        &["kafka_cluster"],
        "Clock of the identity provider minus the clock of this machine, by the date of the last answer, exact to a second and the time of the request. Absent until an answer has a date.",
    );
}
