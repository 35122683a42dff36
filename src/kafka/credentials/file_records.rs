//! What is counted of the certificates and passwords of one cluster that are read from files.

use std::{sync::Mutex, time::SystemTime};

use super::record::{Credential, CredentialKind, RenewalFailure, RenewalRecord};
use crate::{kafka::Error, sync::lock, text::Chain};

/// The renewals of the credentials in files, by kind.
#[derive(Debug, Default)]
pub(in crate::kafka) struct FileRecords(Mutex<Vec<FileRecord>>);

/// The renewals of one kind.
#[derive(Debug)]
struct FileRecord {
    kind: CredentialKind,
    record: RenewalRecord,
    /// The last failure. `None` if the last renewal succeeded.
    failure: Option<RenewalFailure>,
}

impl FileRecords {
    /// Begins to count the renewals of these kinds. A kind that is counted already keeps its counts.
    pub(in crate::kafka) fn begin(&self, kinds: impl IntoIterator<Item = CredentialKind>) {
        let mut all = lock(&self.0);
        for kind in kinds {
            if all.iter().all(|one| one.kind != kind) {
                all.push(FileRecord { kind, record: RenewalRecord::new(false), failure: None });
            }
        }
    }

    /// Counts that renewed credentials of these kinds are used, and the end of the failures of every kind.
    pub(in crate::kafka) fn renewed(&self, kinds: &[CredentialKind]) {
        for FileRecord { kind, record, failure } in lock(&self.0).iter_mut() {
            if failure.take().is_some() || kinds.contains(kind) {
                record.renewed();
            }
        }
    }

    /// Counts a renewal of these kinds that failed.
    pub(in crate::kafka) fn failed(&self, kinds: &[CredentialKind], error: &Error) {
        let concerned = |one: &&mut FileRecord| kinds.contains(&one.kind);
        for FileRecord { record, failure, .. } in lock(&self.0).iter_mut().filter(concerned) {
            let since = failure.take().map_or_else(SystemTime::now, |failure| failure.since);
            let (fault, message) = (error.fault(), Chain(error).to_string());
            record.failed(fault);
            *failure = Some(RenewalFailure { fault, message, since });
        }
    }

    /// What is counted of each kind.
    pub(in crate::kafka) fn read(&self) -> Vec<Credential> {
        let records = lock(&self.0);
        records.iter().map(|one| one.record.read(one.kind, None, one.failure.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Fault;

    #[test]
    fn renewal_counts_its_kind_and_ends_the_failures_of_every_kind() {
        let records = FileRecords::default();
        let both = [CredentialKind::Certificate, CredentialKind::Password];
        records.begin(both);
        let error = Error::new(Fault::CredentialFile, "no certificate");
        records.failed(&CredentialKind::ALL, &error);
        records.failed(&both[..1], &error);
        let read = records.read();
        let since = |one: &Credential| one.failure.as_ref().map(|failure| failure.since);
        assert!(read.iter().all(|one| since(one).is_some()), "{read:?}");
        records.begin(both);
        for _ in 0..2 {
            records.renewed(&both[..1]);
        }
        let counts = |one: Credential| {
            let failures = one.failures.get(&Fault::CredentialFile).copied();
            (one.kind, one.renewals, failures, one.failure.is_none())
        };
        let read: Vec<_> = records.read().into_iter().map(counts).collect();
        assert_eq!(read, [(both[0], 2, Some(2), true), (both[1], 1, Some(1), true)]);
    }
}
