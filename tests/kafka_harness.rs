//! The real cluster of the tests: three brokers, every listener, and faults on demand.

use std::{path::Path, time::Duration};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};
use support::kafka::{Credentials, HEARTBEAT, Kafka, Listener, NOBODY};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

#[test]
fn every_listener_lets_the_right_clients_in_and_only_them() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    assert_eq!(brokers_seen(&plaintext(kafka)), Ok(3));
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for listener in [Listener::SaslPlaintext, Listener::SaslSsl] {
            assert_eq!(brokers_seen(&sasl(kafka, listener, mechanism, HEARTBEAT)), Ok(3), "{mechanism}");
        }
        let wrong = Credentials { password: "wrong", ..HEARTBEAT };
        let config = sasl(kafka, Listener::SaslPlaintext, mechanism, wrong);
        assert!(brokers_seen(&config).is_err(), "{mechanism}");
    }
    assert_eq!(brokers_seen(&mutual_tls(kafka, true)), Ok(3));
    assert!(brokers_seen(&mutual_tls(kafka, false)).is_err());
    let mut stranger = sasl(kafka, Listener::SaslSsl, "PLAIN", HEARTBEAT);
    stranger.set("ssl.ca.location", text(&kafka.untrusted_ca_pem_path()));
    assert!(brokers_seen(&stranger).is_err());
}

#[test]
fn user_without_permissions_sees_no_topic() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    kafka.create_topic("secret", 3);
    let allowed = sasl(kafka, Listener::SaslPlaintext, "SCRAM-SHA-256", HEARTBEAT);
    let denied = sasl(kafka, Listener::SaslPlaintext, "SCRAM-SHA-256", NOBODY);
    assert!(topics_seen(&allowed).contains(&"secret".to_owned()));
    assert_eq!(topics_seen(&denied), Vec::<String>::new());
}

#[test]
fn broker_can_be_frozen_killed_stopped_and_brought_back() {
    let Some(kafka) = Kafka::start(3) else { return };
    kafka.create_topic("faults", 3);
    kafka.move_leader("faults", 0, 2);

    kafka.broker(2).pause();
    kafka.broker(2).wait_until_fenced();
    assert!(!kafka.leaders("faults").contains(&(0, 2)));
    kafka.broker(2).resume();
    kafka.broker(2).wait_until_known();

    kafka.broker(3).kill();
    kafka.broker(3).wait_until_fenced();
    kafka.broker(3).restart();
    assert_eq!(brokers_seen(&plaintext(&kafka)), Ok(3));

    kafka.broker(1).stop();
    kafka.broker(1).wait_until_fenced();
    kafka.broker(1).restart();
    assert_eq!(brokers_seen(&plaintext(&kafka)), Ok(3));

    let pids: Vec<_> = kafka.brokers().iter().filter_map(|broker| broker.pid()).collect();
    assert_eq!(pids.len(), 3);
    kafka.broker(1).pause();
    drop(kafka);
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "broker process {pid} is left behind");
    }
}

#[test]
fn dead_address_has_no_listener() {
    assert!(std::net::TcpStream::connect(Kafka::dead_bootstrap()).is_err());
}

fn plaintext(kafka: &Kafka) -> ClientConfig {
    client(kafka, Listener::Plaintext, "plaintext")
}

fn sasl(kafka: &Kafka, listener: Listener, mechanism: &str, credentials: Credentials) -> ClientConfig {
    let protocol = if listener == Listener::SaslSsl { "sasl_ssl" } else { "sasl_plaintext" };
    let mut config = client(kafka, listener, protocol);
    config
        .set("sasl.mechanism", mechanism)
        .set("sasl.username", credentials.user)
        .set("sasl.password", credentials.password)
        .set("ssl.ca.location", text(&kafka.ca_pem_path()));
    config
}

fn mutual_tls(kafka: &Kafka, trusted: bool) -> ClientConfig {
    let paths = if trusted { kafka.client_cert_paths() } else { kafka.untrusted_client_cert_paths() };
    let mut config = client(kafka, Listener::MutualTls, "ssl");
    config
        .set("ssl.ca.location", text(&kafka.ca_pem_path()))
        .set("ssl.certificate.location", text(&paths.certificate))
        .set("ssl.key.location", text(&paths.key));
    config
}

fn client(kafka: &Kafka, listener: Listener, protocol: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka.bootstrap(listener))
        .set("security.protocol", protocol)
        .set("log_level", "0");
    config
}

fn brokers_seen(config: &ClientConfig) -> Result<usize, String> {
    Ok(metadata(config).map_err(|error| error.to_string())?.brokers().len())
}

fn topics_seen(config: &ClientConfig) -> Vec<String> {
    metadata(config)
        .expect("the cluster answers")
        .topics()
        .iter()
        .map(|topic| topic.name().to_owned())
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "the test blocks on purpose")]
fn metadata(config: &ClientConfig) -> KafkaResult<rdkafka::metadata::Metadata> {
    let consumer: BaseConsumer = config.create()?;
    consumer.fetch_metadata(None, Duration::from_secs(5))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
