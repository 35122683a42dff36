//! Which component is to blame: the headline of each suspect, with its evidence.

use std::time::SystemTime;

use super::words::{ago, sentence};
use crate::{board::Readings, diagnosis::Suspect};

/// The most suspects that are shown; the API has more.
const SHOWN: usize = 5;

/// One suspect on the page.
pub(super) struct SuspectRow {
    /// A sentence with the confidence and the time: `Broker 3 does not answer (certain, for 12 s).`
    pub(super) headline: String,
    /// Sentences.
    pub(super) evidence: Vec<String>,
    /// Sentences.
    pub(super) against: Vec<String>,
    /// A sentence.
    pub(super) confirm: String,
}

/// The suspects of a cluster, the surest first.
pub(super) fn suspects(readings: &Readings, wall: SystemTime) -> Vec<SuspectRow> {
    let suspects = readings.verdict.diagnosis.iter().flat_map(|diagnosis| &diagnosis.suspects);
    suspects.take(SHOWN).map(|suspect| row(suspect, wall)).collect()
}

/// The symptoms of a cluster that no suspect explains, as sentences.
pub(super) fn unexplained(readings: &Readings) -> Vec<String> {
    let symptoms = readings.verdict.diagnosis.iter().flat_map(|diagnosis| &diagnosis.unexplained);
    symptoms.map(|symptom| sentence(&format!("no suspect explains this: {symptom}"))).collect()
}

fn row(suspect: &Suspect, wall: SystemTime) -> SuspectRow {
    let sentences = |fragments: &[String]| fragments.iter().map(|fragment| sentence(fragment)).collect();
    SuspectRow {
        headline: format!("{} ({}, for {}).", suspect.headline, suspect.confidence, ago(suspect.since, wall)),
        evidence: sentences(&suspect.evidence),
        against: sentences(&suspect.against),
        confirm: sentence(suspect.confirm),
    }
}
