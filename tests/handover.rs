//! Renewed credentials on clusters with several brokers, one of which fails.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use fake::{Fake, Manners, Reply, metadata};
use kafka_protocol::messages::MetadataRequest;
use support::{
    certs::IdentityPaths,
    kafka::{Kafka, Listener},
    port,
    service::Service,
    wait_for,
};
use tokio::task::block_in_place;

#[expect(dead_code, reason = "a part is used")]
#[path = "support/fake.rs"]
mod fake;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// The longest time until the service has noticed a change of a file and has acted on it.
const PATIENCE: Duration = Duration::from_secs(40);

fn wait_for_log(service: &Service, words: &str) {
    let found = support::try_wait(PATIENCE, || service.log().contains(words).then_some(()));
    found.unwrap_or_else(|| panic!("waited in vain for {words:?}:\n{}", service.log()));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_password_is_used_although_the_first_broker_closes_every_connection() {
    let (kafka, sick) = (Fake::start().await, Fake::with(Manners::Curt, None).await);
    let brokers = metadata(&[&sick, &kafka], "", &[]);
    kafka.on(move |_: MetadataRequest, _| Reply::Answer(brokers.clone()));
    kafka.plain("me", "first-secret");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, "first-secret").expect("a file");
    let config = format!(
        "[kafka]\nbootstrap.servers = {}\nsecurity.protocol = sasl_plaintext\nsasl.mechanism = PLAIN\n\
         sasl.username = me\nsasl.password.file = {}\n[heartbeat]\nenabled = false\n[metadata]\ninterval = 1s\n\
         [lag]\nenabled = false\n[freshness]\nenabled = false\n",
        kafka.endpoint(),
        file.display()
    );
    block_in_place(|| {
        let service = Service::start(&config);
        wait_for("metadata with both brokers", PATIENCE, || {
            (service.series("heartbeat_brokers", &[]) == Some(2.0)).then_some(())
        });

        fs::write(&file, "wrong-secret").expect("a file");
        wait_for_log(&service, "the renewed credentials are refused and those read before stay in use");
        let log = service.log();
        let refusal = log.lines().find(|line| line.contains("are refused")).expect("a line");
        assert!(refusal.contains("fault=\"authentication\""), "the broker that is well refused: {refusal}");

        kafka.plain("me", "second-secret");
        fs::write(&file, "second-secret").expect("a file");
        wait_for_log(&service, "the renewed credentials are used for the next sessions");
    });
}

/// Makes the link `link` lead to a folder with this certificate and its key.
fn swap(link: &Path, IdentityPaths { certificate, key }: &IdentityPaths) {
    let folder = link.with_extension(certificate.file_stem().expect("a name"));
    fs::create_dir(&folder).expect("a folder");
    for (file, name) in [(certificate, "tls.crt"), (key, "tls.key")] {
        fs::copy(file, folder.join(name)).expect("a copy");
    }
    let fresh = link.with_extension("new");
    symlink(&folder, &fresh).expect("a link");
    fs::rename(fresh, link).expect("a swapped link");
}

/// The number of heartbeats on a partition with this outcome.
fn outcomes(service: &Service, partition: i32, outcome: &str) -> f64 {
    let labels = [format!("partition=\"{partition}\""), format!("outcome=\"{outcome}\"")];
    service.sum("heartbeat_outcomes_total", &labels.each_ref().map(String::as_str))
}

/// The number of heartbeats on a partition with an outcome other than `ok` and `skipped`.
fn bad(service: &Service, partition: i32) -> f64 {
    let all = ["late", "lost", "rejected", "unacked_received", "unacked_missing", "unsent"];
    all.map(|outcome| outcomes(service, partition, outcome)).iter().sum()
}

/// Waits for 25 more good heartbeats on each of these partitions, and asserts that none is bad.
fn assert_good(service: &Service, partitions: &[i32]) {
    for partition in partitions {
        let (good, before) = (outcomes(service, *partition, "ok"), bad(service, *partition));
        let more = support::try_wait(PATIENCE, || {
            (outcomes(service, *partition, "ok") >= good + 25.0).then_some(())
        });
        assert!(more.is_some(), "partition {partition} has no good heartbeats:\n{}", service.log());
        assert_eq!(bad(service, *partition), before, "partition {partition}:\n{}", service.log());
    }
}

#[test]
fn renewed_certificate_is_used_while_a_partition_has_no_leader_and_no_other_heartbeat_is_bad() {
    let Some(kafka) = Kafka::start(3) else { return };
    let topic = ["--create", "--topic", "kafka-heartbeat", "--replica-assignment", "1,2,3"];
    kafka.admin("org.apache.kafka.tools.TopicCommand", &topic);
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("tls");
    swap(&link, &kafka.client_cert_paths());
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {}\nsecurity.protocol = ssl\nssl.ca.location = {}\n\
         ssl.certificate.location = {tls}/tls.crt\nssl.key.location = {tls}/tls.key\n[heartbeat]\ninterval = 200ms\n\
         deadline = 4s\nhorizon = 10s\n[metadata]\ninterval = 1s\n[lag]\nenabled = false\n[freshness]\n\
         enabled = false\n",
        kafka.bootstrap(Listener::MutualTls),
        kafka.ca_pem_path().display(),
        tls = link.display()
    ));
    service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 30);
    assert_good(&service, &[0, 1, 2]);

    let broker = kafka.broker(3);
    broker.stop();
    wait_for("a partition without a leader", PATIENCE, || {
        service.series("heartbeat_partition_leader_info", &["partition=\"2\""]).is_none().then_some(())
    });
    let before = [0, 1].map(|partition| bad(&service, partition));

    swap(&link, &kafka.renewed_client_cert_paths());
    for client in ["client=\"producer\"", "client=\"consumer\""] {
        let replaced = || {
            let labels = [client, "reason=\"certificate_renewed\""];
            service.series("heartbeat_client_renewals_total", &labels)
        };
        let found = support::try_wait(PATIENCE, || (replaced() == Some(1.0)).then_some(()));
        assert!(found.is_some(), "{client} was not replaced:\n{}", service.log());
    }
    assert_good(&service, &[0, 1]);
    assert_eq!([0, 1].map(|partition| bad(&service, partition)), before, "{}", service.log());

    broker.restart();
    let good = outcomes(&service, 2, "ok");
    let found = support::try_wait(PATIENCE, || {
        // Every heartbeat of the time without a leader has its outcome.
        let is_settled = service.sum("heartbeat_in_flight", &["partition=\"2\""]) <= 1.0;
        (is_settled && outcomes(&service, 2, "ok") > good + 5.0).then_some(())
    });
    assert!(found.is_some(), "the partition has no good heartbeats again:\n{}", service.log());
    assert_good(&service, &[0, 1, 2]);
}
