//! What is counted of a credential that is renewed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use super::clocks::{ClockDifference, TOLERANCE};
use crate::{
    closed_enum::closed_enum,
    kafka::Fault,
    latency::{Bounds, Buckets},
    sync::lock,
};

closed_enum! {
    /// The kinds of credentials that are renewed while the service runs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum CredentialKind {
        /// A token of OAUTHBEARER.
        Token = "token",
        /// Certificates and keys of TLS, the service's own and those of CAs, in files.
        Certificate = "certificate",
        /// Passwords and secrets of clients, in files.
        Password = "password",
        /// A ticket of Kerberos.
        Ticket = "ticket",
    }
}

impl CredentialKind {
    /// The usual faults of renewals, which are exposed from the start. None of them is an outage of Kafka.
    pub fn faults(self) -> &'static [Fault] {
        match self {
            Self::Token => &[
                Fault::TokenEndpoint,
                Fault::InvalidClient,
                Fault::Audience,
                Fault::Clock,
                Fault::TokenFile,
                Fault::AwsCredentials,
                Fault::Descriptors,
            ],
            Self::Certificate => {
                &[Fault::CredentialFile, Fault::CertificateRefused, Fault::CertificateUnknownCa]
            }
            Self::Password => &[Fault::CredentialFile, Fault::Authentication, Fault::InvalidClient],
            Self::Ticket => &[Fault::Keytab, Fault::Principal, Fault::Kdc, Fault::Clock, Fault::Descriptors],
        }
    }
}

/// A credential of a cluster as it is known at one moment. It never holds the secret itself.
#[derive(Debug, Clone)]
pub struct Credential {
    /// What the credential is.
    pub kind: CredentialKind,
    /// When the newest credential expires. `None` before the first, and if the credential does not say it.
    pub expires: Option<SystemTime>,
    /// The number of renewals that brought a new credential, or ended a series of failures.
    pub renewals: u64,
    /// The number of renewals that failed, by their fault. A fault that never occurred is absent.
    pub failures: BTreeMap<Fault, u64>,
    /// The durations of requests to the identity provider that it answered. `None` for a source that asks none.
    pub fetches: Option<Buckets>,
    /// The identity provider's clock minus the clock of this machine in seconds, by its last answer that has a date. It is
    /// as exact as a second and the time of the request. `None` before such an answer.
    pub clock_difference: Option<f64>,
    /// The last failure. `None` if the last renewal succeeded.
    pub failure: Option<RenewalFailure>,
}

impl Credential {
    /// Whether the identity provider's clock is known to differ from ours by more than a minute.
    pub fn has_wrong_clock(&self) -> bool {
        self.clock_difference.is_some_and(|seconds| seconds.abs() > TOLERANCE.as_secs_f64())
    }
}

/// A renewal that failed.
#[derive(Debug, Clone)]
pub struct RenewalFailure {
    /// The kind of the failure.
    pub fault: Fault,
    /// The failure and its causes in one line, without a secret. The text may be hostile.
    pub message: String,
    /// The time of the first failure since the last success.
    pub since: SystemTime,
}

/// Counts the renewals of one credential.
#[derive(Debug)]
pub(super) struct RenewalRecord(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    renewals: u64,
    failures: BTreeMap<Fault, u64>,
    fetches: Option<Buckets>,
    clocks: Option<ClockDifference>,
}

impl RenewalRecord {
    /// A record without counts. `asks` is whether the source sends requests to an identity provider.
    pub(super) fn new(asks: bool) -> Self {
        let fetches = asks.then(|| Buckets::new(&Bounds::default()));
        Self(Mutex::new(Counts { renewals: 0, failures: BTreeMap::new(), fetches, clocks: None }))
    }

    /// Counts a renewal that brought a new credential, or ended a series of failures.
    pub(super) fn renewed(&self) {
        self.counts().renewals += 1;
    }

    /// Counts a renewal that failed.
    pub(super) fn failed(&self, fault: Fault) {
        *self.counts().failures.entry(fault).or_default() += 1;
    }

    /// Counts a request that the identity provider answered, with any status. `clocks` is where its clock stands, if the
    /// answer says it.
    pub(super) fn answered(&self, took: Duration, clocks: Option<ClockDifference>) {
        self.compared(clocks);
        if let Some(fetches) = &mut self.counts().fetches {
            fetches.record(took);
        }
    }

    /// Notes where the clock of the identity provider stands. `None` if its last answers do not say it.
    pub(super) fn compared(&self, clocks: Option<ClockDifference>) {
        let mut counts = self.counts();
        counts.clocks = clocks.or(counts.clocks);
    }

    /// Where the identity provider's clock stood at its last answer that says it, if it differs from ours by more than a
    /// minute.
    pub(super) fn wrong_clock(&self) -> Option<ClockDifference> {
        self.counts().clocks.filter(|clocks| clocks.is_large())
    }

    /// The counts, with what is known of the credential itself.
    pub(super) fn read(
        &self,
        kind: CredentialKind,
        expires: Option<SystemTime>,
        failure: Option<RenewalFailure>,
    ) -> Credential {
        let counts = self.counts();
        Credential {
            kind,
            expires,
            renewals: counts.renewals,
            failures: counts.failures.clone(),
            fetches: counts.fetches.clone(),
            clock_difference: counts.clocks.map(ClockDifference::seconds),
            failure,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_counts_renewals_failures_by_fault_and_answered_requests() {
        let record = RenewalRecord::new(true);
        record.renewed();
        for fault in [Fault::TokenEndpoint, Fault::InvalidClient, Fault::TokenEndpoint] {
            record.failed(fault);
        }
        record.answered(Duration::from_millis(3), Some(ClockDifference::Behind(Duration::from_secs(90))));
        assert!(record.wrong_clock().is_some());
        let read = record.read(CredentialKind::Token, None, None);
        assert_eq!(read.renewals, 1);
        let expected = BTreeMap::from([(Fault::TokenEndpoint, 2), (Fault::InvalidClient, 1)]);
        assert_eq!(read.failures, expected);
        assert_eq!(read.clock_difference, Some(-90.0));
        assert_eq!(read.fetches.map(|fetches| fetches.count()), Some(1));
    }

    #[test]
    fn source_that_asks_no_identity_provider_has_no_durations() {
        let record = RenewalRecord::new(false);
        record.answered(Duration::from_millis(3), None);
        assert_eq!(record.read(CredentialKind::Token, None, None).fetches, None);
    }
}
