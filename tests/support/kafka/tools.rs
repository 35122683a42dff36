//! Kafka's own programs, and librdkafka as a client that is independent of the service.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    metadata::Metadata,
};

use super::{Credentials, HEARTBEAT, NOBODY, install};
use crate::support::certs::Authority;

const DAY: Duration = Duration::from_secs(86_400);

/// Prepares a node's storage: a new cluster id and the SCRAM users.
pub(super) fn format_storage(properties: &Path) {
    let properties = properties.display().to_string();
    let id = cluster_id();
    let mut arguments = vec!["format".to_owned(), "-t".into(), id, "-c".into(), properties];
    for credentials in [HEARTBEAT, NOBODY] {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let Credentials { user, password } = credentials;
            arguments.push("--add-scram".into());
            arguments.push(format!("{mechanism}=[name={user},password={password}]"));
        }
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    java("kafka.tools.StorageTool", &arguments, "");
}

/// 16 random bytes as Kafka writes them: 22 letters of the URL-safe base 64, the last of which carries two bits.
fn cluster_id() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ab";
    let mut random = [0_u8; 21];
    getrandom::fill(&mut random).unwrap();
    random.iter().map(|byte| LETTERS[usize::from(byte % 64)] as char).chain(['A']).collect()
}

/// Runs a class of Kafka's programs to its end. Panics with what it prints, if it fails.
pub(super) fn java(class: &str, arguments: &[&str], input: &str) -> String {
    let class_path = install::class_path().expect("this needs Kafka's programs");
    run_java(class_path, &[], class, arguments, input).unwrap_or_else(|words| panic!("{words}"))
}

/// Runs a class to its end, with these variables in its environment. Returns what it prints.
///
/// # Errors
/// What it prints, if it fails.
pub(crate) fn run_java(
    class_path: &str,
    environment: &[(&str, String)],
    class: &str,
    arguments: &[&str],
    input: &str,
) -> Result<String, String> {
    let mut child = Command::new("java")
        .args(["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        .args(["-cp", class_path, class])
        .args(arguments)
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(words);
    }
    Err(format!("{class} {arguments:?} failed:\n{words}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The metadata of each of these brokers; brokers that do not answer are left out.
///
/// Under KRaft brokers learn of a change at different times, so their answers may differ for a moment.
pub(super) fn views(addresses: &str, topic: Option<&str>) -> Vec<Metadata> {
    let listens = |address: &&str| TcpStream::connect(address).is_ok();
    addresses.split(',').filter(listens).filter_map(|address| metadata(address, topic)).collect()
}

/// The metadata that a client sees at some addresses, or none if there is no answer within two seconds.
#[expect(clippy::disallowed_methods, reason = "tests may block, and this client is independent of ours")]
pub(super) fn metadata(addresses: &str, topic: Option<&str>) -> Option<Metadata> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", addresses)
        .set("log_level", "0")
        .set("reconnect.backoff.ms", "50")
        .create()
        .unwrap();
    consumer.fetch_metadata(topic, Duration::from_secs(2)).ok()
}

/// Writes the certificates of the brokers and of the clients of a cluster.
pub(super) fn write_certificates(folder: &Path) {
    let authority = Authority::new("kafka-heartbeat tests");
    let stranger = Authority::new("a stranger");
    fs::write(folder.join("ca.pem"), authority.pem()).expect("a certificate is written");
    fs::write(folder.join("untrusted-ca.pem"), stranger.pem()).expect("a certificate is written");
    let server = authority.server(30 * DAY);
    fs::write(folder.join("broker-keystore.pem"), format!("{}{}", server.key, server.certificate))
        .expect("the keystore is written");
    authority.client("heartbeat").write(folder, "client");
    authority.client_for("heartbeat", 5 * DAY).write(folder, "renewed-client");
    stranger.client("heartbeat").write(folder, "untrusted-client");
}
