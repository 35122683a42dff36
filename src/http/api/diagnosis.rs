//! `/api/v1/diagnosis`: which component is to blame, with the evidence.

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{each, time},
    query::ClusterQuery,
};
use crate::{
    diagnosis::{Diagnosis, Suspect},
    http::state::State,
};

/// The suspects of each cluster, and the symptoms that none of them explains.
pub(in crate::http) fn diagnosis(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| diagnosis_json(readings.verdict.diagnosis.as_ref()))
}

/// A diagnosis; null in each field before the first one.
pub(super) fn diagnosis_json(diagnosis: Option<&Diagnosis>) -> Value {
    json!({
        "suspects": diagnosis.map(|diagnosis| diagnosis.suspects.iter().map(suspect_json).collect::<Vec<_>>()),
        "unexplained": diagnosis.map(|diagnosis| &diagnosis.unexplained),
    })
}

fn suspect_json(suspect: &Suspect) -> Value {
    json!({
        "kind": suspect.kind.as_str(),
        "subject": suspect.subject,
        "confidence": suspect.confidence.as_str(),
        "since": time(suspect.since),
        "headline": suspect.headline,
        "evidence": suspect.evidence,
        "against": suspect.against,
        "confirm": suspect.confirm,
    })
}
