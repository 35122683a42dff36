//! Every kind of suspect has one alert, and its alert says where the evidence is.

use std::collections::{BTreeMap, BTreeSet};

use kafka_heartbeat::diagnosis::Kind;

use regex::Regex;
use serde_json::Value;

use super::operations::{list, read, rules, rules_of, text, yaml};

/// The alerts on suspects, by the kinds of suspects that their expressions select.
fn alerts_by_kind() -> BTreeMap<String, BTreeSet<String>> {
    let mut alerts = BTreeMap::<String, BTreeSet<String>>::new();
    for rule in rules_of("diagnosis") {
        let (_, selected) = text(&rule["expr"]).split_once("heartbeat_suspect{kind=").unwrap_or_default();
        let kinds = selected.split('"').nth(1).unwrap_or_default();
        for kind in kinds.split('|').filter(|kind| !kind.is_empty()) {
            alerts.entry(kind.to_owned()).or_default().insert(text(&rule["alert"]).to_owned());
        }
    }
    alerts
}

#[test]
fn every_kind_of_suspect_has_one_alert_that_waits_for_likely() {
    let alerts = alerts_by_kind();
    let kinds = Kind::ALL.map(|kind| kind.as_str().to_owned());
    assert_eq!(alerts.keys().cloned().collect::<BTreeSet<_>>(), kinds.into_iter().collect());
    for (kind, names) in &alerts {
        assert_eq!(names.len(), 1, "{kind}: {names:?}");
    }
    let suspects = rules_of("diagnosis").into_iter().filter(|rule| {
        let is_of_suspect = text(&rule["expr"]).contains("heartbeat_suspect{");
        assert_eq!(is_of_suspect, text(&rule["alert"]).starts_with("KafkaSuspect"), "{}", rule["alert"]);
        is_of_suspect
    });
    for rule in suspects {
        let name = text(&rule["alert"]);
        assert!(
            text(&rule["expr"]).contains("} >= 2"),
            "{name} fires for a component that is only suspected"
        );
        assert!(text(&rule["annotations"]["description"]).contains("/api/v1/diagnosis"), "{name}");
    }
}

#[test]
fn page_of_the_diagnosis_names_the_alert_of_every_kind() {
    let page = read("docs/diagnosis.md");
    for (kind, names) in alerts_by_kind() {
        let line =
            page.lines().find(|line| line.starts_with("| [Kafka") && line.contains(&format!("`{kind}`")));
        let line = line.unwrap_or_else(|| panic!("docs/diagnosis.md has no alert of the kind {kind}"));
        assert!(names.iter().all(|name| line.contains(&format!("[{name}]"))), "{line}");
    }
}

/// An alert: its name and its severity.
type Alert = (String, String);

/// The alerts that an inhibition selects by these matchers. Matchers of other labels than name and severity are not looked at.
fn selected<'a>(alerts: &'a BTreeSet<Alert>, matchers: &Value) -> Vec<&'a Alert> {
    let patterns: Vec<(String, Regex)> = list(matchers)
        .iter()
        .filter_map(|matcher| {
            let (label, pattern) = text(matcher).split_once('=')?;
            let pattern = pattern.trim_start_matches('~').trim().trim_matches('"');
            let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("a matcher has a valid pattern");
            Some((label.trim().to_owned(), pattern))
        })
        .collect();
    let matches = |label: &str, value: &str| {
        patterns.iter().filter(|(name, _)| name == label).all(|(_, pattern)| pattern.is_match(value))
    };
    alerts
        .iter()
        .filter(|(name, severity)| matches("alertname", name) && matches("severity", severity))
        .collect()
}

#[test]
fn suspect_inhibits_no_page_unless_it_is_a_page_itself_and_never_what_it_does_not_explain() {
    let never = [
        "KafkaOfflinePartitions",
        "KafkaUnderMinIsrPartitions",
        "KafkaHeartbeatLost",
        "KafkaAcknowledgedRecordsLost",
        "KafkaAbortedRecordVisible",
        "KafkaHeartbeatCorrupt",
    ];
    let alerts = rules().into_iter().filter(|rule| !rule["alert"].is_null());
    let alerts =
        alerts.map(|rule| (text(&rule["alert"]).to_owned(), text(&rule["labels"]["severity"]).to_owned()));
    let alerts = alerts.collect();
    let mut pairs = 0;
    for inhibition in list(&yaml("alertmanager/alertmanager.yml")["inhibit_rules"]) {
        let sources = selected(&alerts, &inhibition["source_matchers"]);
        let targets = selected(&alerts, &inhibition["target_matchers"]);
        for (source, severity) in sources.into_iter().filter(|(name, _)| name.starts_with("KafkaSuspect")) {
            for (target, other) in &targets {
                pairs += 1;
                assert!(
                    severity == "critical" || other != "critical",
                    "{severity} {source} inhibits {target}"
                );
                assert!(!never.contains(&target.as_str()), "{source} inhibits {target}");
                let explains_all = !["KafkaSuspectBroker", "KafkaSuspectRack"].contains(&source.as_str());
                assert!(target != "KafkaHeartbeatAllFailing" || explains_all, "{source} inhibits {target}");
            }
        }
    }
    assert!(pairs > 50, "the inhibitions were not found: {pairs}");
}
