//! The inhibitions of the shipped configuration in a real Alertmanager: one cause is notified once.
//!
//! `ALERTMANAGER` names the program; without it the test is skipped, except under `CI=true`.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use serde_json::{Value, json};
use support::{
    operations::{list, rules, text, yaml},
    program::{Running, tool},
    service::free_port,
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const PATIENCE: Duration = Duration::from_secs(30);

/// An alert's labels, as `name label=value …`.
type Alert = &'static str;

/// For each inhibition of the configuration, in order: an alert that inhibits, an alert that it inhibits, and an alert that
/// it must not inhibit.
const CASES: &[(Alert, Alert, Alert)] = &[
    (
        "KafkaHeartbeatLatencyBudgetBurn severity=critical kafka_cluster=a",
        "KafkaHeartbeatLatencyBudgetBurn severity=warning kafka_cluster=a",
        "KafkaHeartbeatLatencyBudgetBurn severity=warning kafka_cluster=b",
    ),
    (
        "KafkaConsumerLagCritical severity=critical cluster_name=a group=g",
        "KafkaConsumerLagWarning severity=warning cluster_name=a group=g",
        "KafkaConsumerLagWarning severity=warning cluster_name=a group=h",
    ),
    (
        "KafkaConsumerGroupOffline severity=critical cluster_name=a group=g",
        "KafkaConsumerTimeLagHigh severity=warning cluster_name=a group=g",
        "KafkaConsumerTimeLagHigh severity=warning cluster_name=a group=h",
    ),
    (
        "KafkaHeartbeatProberDown severity=critical",
        "KafkaHeartbeatLatencyNotMeasured severity=warning",
        "KafkaHeartbeatLatencyHigh severity=warning",
    ),
    (
        "KafkaHeartbeatProberSilent severity=critical kafka_cluster=a job=j instance=i",
        "KafkaHeartbeatSnapshotOld severity=warning kafka_cluster=a job=j instance=i",
        "KafkaHeartbeatSnapshotOld severity=warning kafka_cluster=b job=j instance=i",
    ),
    (
        "KafkaHeartbeatProberUnhealthy severity=warning kafka_cluster=a",
        "KafkaHeartbeatLatencyHigh severity=warning kafka_cluster=a",
        "KafkaHeartbeatLatencyHigh severity=warning kafka_cluster=b",
    ),
    (
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=1",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=b broker=1",
    ),
    (
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a",
        "KafkaConsumerLagCritical severity=critical cluster_name=a group=g",
        "KafkaConsumerLagCritical severity=critical cluster_name=b group=g",
    ),
    (
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a job=j instance=i",
        "KafkaOfflinePartitions severity=critical topic=t job=j instance=i",
        "KafkaOfflinePartitions severity=critical topic=t job=j instance=of-another-cluster",
    ),
    (
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a job=j instance=i",
        "KafkaTopicFreshnessBudgetBurn severity=critical kafka_cluster=a topic=t",
        "KafkaTopicFreshnessBudgetBurn severity=critical kafka_cluster=b topic=t",
    ),
    (
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a job=j instance=i",
        "KafkaTopicFreshnessBudgetBurn severity=critical topic=t",
        "KafkaTopicFreshnessBudgetBurn severity=critical kafka_cluster=b topic=t",
    ),
    (
        "KafkaBrokerMissing severity=warning kafka_cluster=a job=j instance=i",
        "KafkaBrokerConnectivityBudgetBurn severity=warning kafka_cluster=a broker=1",
        "KafkaBrokerConnectivityBudgetBurn severity=warning kafka_cluster=b broker=1",
    ),
    (
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=1 job=j instance=i",
        "KafkaUnderReplicatedPartitions severity=warning topic=t job=j instance=i",
        "KafkaUnderReplicatedPartitions severity=warning topic=t job=j instance=of-another-cluster",
    ),
    (
        "KafkaAllBrokersUnreachable severity=critical kafka_cluster=a",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=1",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=b broker=1",
    ),
    (
        "KafkaOfflinePartitions severity=critical topic=t job=j instance=i",
        "KafkaUnderMinIsrPartitions severity=critical topic=t job=j instance=i",
        "KafkaUnderMinIsrPartitions severity=critical topic=t job=j instance=of-another-cluster",
    ),
    (
        "KafkaOfflinePartitions severity=critical topic=t job=j instance=i",
        "KafkaTopicFreshnessBudgetBurn severity=critical topic=t",
        "KafkaTopicFreshnessBudgetBurn severity=critical topic=u",
    ),
    (
        "KafkaSuspectBroker severity=warning kafka_cluster=a broker=3 kind=broker subject=3 job=j instance=i",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=3 job=j instance=i",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=2 job=j instance=i",
    ),
    (
        "KafkaSuspectRack severity=critical kafka_cluster=a kind=rack subject=r job=j instance=i",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=3 job=j instance=i",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=b broker=3 job=j instance=i",
    ),
    (
        "KafkaSuspectCertificate severity=critical kafka_cluster=a broker=3 kind=certificate subject=3",
        "KafkaCertificateExpiring severity=critical kafka_cluster=a broker=3",
        "KafkaCertificateExpiring severity=critical kafka_cluster=a broker=2",
    ),
    (
        "KafkaSuspectBroker severity=critical kafka_cluster=a broker=3 kind=broker subject=3",
        "KafkaSuspectCoordinator severity=critical kafka_cluster=a broker=3 kind=group_coordinator subject=3",
        "KafkaSuspectCoordinator severity=critical kafka_cluster=a broker=2 kind=group_coordinator subject=2",
    ),
    (
        "KafkaSuspectBroker severity=critical kafka_cluster=a broker=3 kind=broker subject=3",
        "KafkaTransactionsOftenFailing severity=warning kafka_cluster=a",
        "KafkaTransactionsFailing severity=critical kafka_cluster=b job=j instance=i",
    ),
    (
        "KafkaSuspectBroker severity=warning kafka_cluster=a broker=3 kind=broker subject=3 job=j instance=i",
        "KafkaBrokerMissing severity=warning kafka_cluster=a job=j instance=i",
        "KafkaBrokerMissing severity=warning kafka_cluster=b job=j instance=i",
    ),
    (
        "KafkaSuspectRack severity=critical kafka_cluster=a kind=rack subject=r job=j instance=i",
        "KafkaUnderReplicatedPartitions severity=warning kafka_cluster=a topic=t job=j instance=i",
        "KafkaUnderMinIsrPartitions severity=critical kafka_cluster=a topic=t job=j instance=i",
    ),
    (
        "KafkaSuspectBroker severity=warning kafka_cluster=a broker=3 kind=broker subject=3 job=j instance=i",
        "KafkaUnderReplicatedPartitions severity=warning topic=t job=j instance=i",
        "KafkaUnderReplicatedPartitions severity=warning kafka_cluster=b topic=t job=j instance=i",
    ),
    (
        "KafkaSuspectBroker severity=critical kafka_cluster=a broker=3 kind=broker subject=3",
        "KafkaHeartbeatAvailabilityBudgetBurn severity=critical kafka_cluster=a",
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a",
    ),
    (
        "KafkaSuspectAddress severity=warning kafka_cluster=a kind=listener subject=kafka-3:9092",
        "KafkaHeartbeatLatencyHigh severity=warning kafka_cluster=a",
        "KafkaHeartbeatAvailabilityBudgetBurn severity=critical kafka_cluster=a",
    ),
    (
        "KafkaSuspectCluster severity=critical kafka_cluster=a kind=cluster job=j instance=i",
        "KafkaSchemaRegistryFailing severity=critical kafka_cluster=a",
        "KafkaSchemaRegistryFailing severity=critical kafka_cluster=b",
    ),
    (
        "KafkaSuspectBroker severity=critical kafka_cluster=a broker=3 kind=broker subject=3",
        "KafkaConnectFailing severity=critical kafka_cluster=a connect=payments",
        "KafkaConnectFailing severity=critical kafka_cluster=b connect=payments",
    ),
    (
        "KafkaSuspectCluster severity=critical kafka_cluster=a kind=cluster job=j instance=i",
        "KafkaMirrorLosingHeartbeats severity=critical kafka_cluster=a mirror=dr source=b",
        "KafkaMirrorLosingHeartbeats severity=critical kafka_cluster=b mirror=back source=a",
    ),
    (
        "KafkaSuspectQuota severity=warning kafka_cluster=a kind=quota subject=produce",
        "KafkaHeartbeatLatencyBudgetBurn severity=warning kafka_cluster=a",
        "KafkaHeartbeatAvailabilityBudgetBurn severity=warning kafka_cluster=a",
    ),
    (
        "KafkaSuspectCluster severity=critical kafka_cluster=a kind=cluster job=j instance=i",
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a job=j instance=i",
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a job=j instance=of-another-network",
    ),
    (
        "KafkaSuspectAddress severity=critical kafka_cluster=a kind=dns job=j instance=i",
        "KafkaAllBrokersUnreachable severity=critical kafka_cluster=a",
        "KafkaAllBrokersUnreachable severity=critical kafka_cluster=b",
    ),
    (
        "KafkaSuspectTopicConfig severity=critical kafka_cluster=a kind=topic_config subject=t job=j instance=i",
        "KafkaHeartbeatAllFailing severity=critical kafka_cluster=a cluster_name=a job=j instance=i",
        "KafkaAllBrokersUnreachable severity=critical kafka_cluster=a",
    ),
    (
        "KafkaSuspectIdentityProvider severity=critical kafka_cluster=a kind=identity_provider job=j instance=i",
        "KafkaHeartbeatCredentialRenewalFailing severity=warning kafka_cluster=a kind=token job=j instance=i",
        "KafkaHeartbeatCredentialRenewalFailing severity=warning kafka_cluster=b kind=token job=j instance=i",
    ),
    (
        "KafkaSuspectProber severity=warning kafka_cluster=a kind=prober job=j instance=i",
        "KafkaHeartbeatProberUnhealthy severity=warning kafka_cluster=a job=j instance=i",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=3 job=j instance=i",
    ),
    (
        "KafkaSuspectProber severity=warning kafka_cluster=a kind=client_network job=j instance=i",
        "KafkaBrokerUnreachable severity=warning kafka_cluster=a broker=3 job=j instance=i",
        "KafkaAllBrokersUnreachable severity=critical kafka_cluster=a",
    ),
    (
        "KafkaHeartbeatAvailabilityBudgetBurn severity=critical kafka_cluster=a",
        "KafkaHeartbeatProduceBudgetBurn severity=critical kafka_cluster=a",
        "KafkaHeartbeatProduceBudgetBurn severity=critical kafka_cluster=b",
    ),
];

/// A real Alertmanager with one inhibition of the configuration and a receiver without a destination.
struct Alertmanager {
    address: String,
    _running: Running,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    fn start(program: &std::path::Path, rule: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = json!({
            "route": { "receiver": "none" },
            "receivers": [{ "name": "none" }],
            "inhibit_rules": [rule],
        });
        let file = folder.path().join("alertmanager.yml");
        fs::write(&file, config.to_string()).expect("the configuration is written");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command
            .args([format!("--config.file={}", file.display()), format!("--web.listen-address={address}")])
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg("--cluster.listen-address=");
        let running = Running::start(&mut command, folder.path(), "alertmanager", &address);
        Self { address, _running: running, _folder: folder }
    }

    fn post(&self, alerts: &[Alert]) {
        let alerts: Vec<_> = alerts.iter().map(|alert| json!({ "labels": labels(alert) })).collect();
        let url = format!("http://{}/api/v2/alerts", self.address);
        let body = Value::from(alerts).to_string();
        ureq::post(&url)
            .header("content-type", "application/json")
            .send(body)
            .expect("the alerts are accepted");
    }

    /// The state of each alert by its labels.
    fn states(&self) -> Vec<(Value, String)> {
        let answer = ureq::get(format!("http://{}/api/v2/alerts", self.address)).call();
        let mut answer = answer.expect("the alerts are listed");
        let answer = answer.body_mut().read_to_string().expect("the answer is text");
        let alerts: Value = serde_json::from_str(&answer).expect("the answer is JSON");
        list(&alerts)
            .iter()
            .map(|alert| (alert["labels"].clone(), text(&alert["status"]["state"]).to_owned()))
            .collect()
    }
}

fn labels(alert: &str) -> Value {
    let mut words = alert.split(' ');
    let mut labels = json!({ "alertname": words.next().expect("an alert has a name") });
    for word in words {
        let (name, value) = word.split_once('=').expect("a label is NAME=VALUE");
        labels[name] = value.into();
    }
    labels
}

#[test]
fn inhibition_suppresses_the_consequence_and_no_other_alert() {
    let Some(program) = tool("ALERTMANAGER") else { return };
    let known: BTreeSet<_> = rules().iter().map(|rule| text(&rule["alert"]).to_owned()).collect();
    let config = yaml("alertmanager/alertmanager.yml");
    let inhibitions = list(&config["inhibit_rules"]);
    assert_eq!(inhibitions.len(), CASES.len(), "each inhibition has a case");
    for (rule, (cause, consequence, other)) in inhibitions.iter().zip(CASES) {
        for alert in [cause, consequence, other] {
            assert!(known.contains(text(&labels(alert)["alertname"])), "{alert} is no alert of ours");
        }
        let alertmanager = Alertmanager::start(&program, rule);
        let state = |alert: &str| {
            let states = alertmanager.states();
            states.into_iter().find(|(of, _)| *of == labels(alert)).map(|(_, state)| state)
        };
        let wait = |alert: &str, wanted: &str| {
            wait_for(&format!("{alert} to be {wanted} by {rule}"), PATIENCE, || {
                (state(alert)?.as_str() == wanted).then_some(())
            });
        };
        alertmanager.post(&[consequence, other]);
        wait(consequence, "active");
        alertmanager.post(&[cause]);
        wait(consequence, "suppressed");
        for stays in [cause, other] {
            wait(stays, "active");
        }
    }
}
