//! `[labels]`: constant labels on every series.

use std::collections::BTreeMap;

use super::{
    error::{Errors, Problem},
    settings::Settings,
};
use crate::catalog;

/// Labels of histograms and summaries, which Prometheus gives a meaning.
const PROMETHEUS_LABELS: [&str; 2] = ["le", "quantile"];

/// The constant labels by name. A label has to be one that Prometheus takes and that no series of ours carries.
pub(super) fn labels(settings: &Settings, errors: &mut Errors) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, setting) in settings.section("labels") {
        if let Some(problem) = problem(name) {
            let message = format!("[labels] {name}: {problem}");
            errors.add(Problem { place: setting.place.to_string(), message });
        }
        labels.insert(name.clone(), setting.value.clone());
    }
    labels
}

/// What is wrong with the name of a label; `None` if it can be used.
pub(super) fn problem(name: &str) -> Option<&'static str> {
    if catalog::labels().chain(PROMETHEUS_LABELS).any(|reserved| reserved == name) {
        return Some("our series carry this label already; choose another");
    }
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let legal = name.starts_with(begins)
        && name.chars().all(|c| begins(c) || c.is_ascii_digit())
        && !name.starts_with("__");
    if legal { None } else { Some("a label is letters, digits and _, and does not begin with a digit or __") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_is_legal_in_prometheus_and_not_one_of_ours() {
        for good in ["environment", "data_center", "_x", "x9"] {
            assert_eq!(problem(good), None, "{good}");
        }
        for wrong in ["", "9x", "__name__", "a-b", "ä", "topic", "le"] {
            assert!(problem(wrong).is_some(), "{wrong}");
        }
    }
}
