//! Renewed credentials on clusters with several brokers, one of which fails.

use std::{fs, time::Duration};

use fake::{Fake, Manners, Reply, metadata};
use kafka_protocol::messages::MetadataRequest;
use support::service::Service;
use tokio::task::block_in_place;

#[expect(dead_code, clippy::unwrap_used, reason = "a part is used; in a test a panic is the report")]
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
        support::wait_for("metadata with both brokers", PATIENCE, || {
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
