//! The number of connections of the heartbeat clients to a broker that ends every connection.

use std::{
    collections::BTreeMap,
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use kafka_heartbeat::{
    config::{self, Sources, load},
    kafka::{
        Access,
        native::{self, Consumer, Delivery, Producer, Record},
        wire,
    },
};
use support::{
    certs::{Authority, Identity},
    service::{Service, free_port},
    wait_for,
};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// The time over which connections are counted, in seconds after the first one.
const SECONDS: u64 = 10;

/// A listener that ignores all reports.
struct IgnoringListener;

impl native::Listener for IgnoringListener {
    fn delivered(&self, _: Delivery) {}
    fn failed(&self) {}
    fn throttled(&self, _: &'static str, _: Duration) {}
}

/// A broker that accepts and ends every connection, and counts the connections until it is dropped.
struct ClosingBroker {
    port: u16,
    accepted: Arc<Mutex<Vec<Instant>>>,
    stopped: Arc<AtomicBool>,
}

impl ClosingBroker {
    /// Closes each connection at once, or after the TLS handshake with this certificate.
    fn open(identity: Option<&Identity>) -> Self {
        let tls = identity.map(|identity| Arc::new(tls(identity)));
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let (accepted, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let door = Self { port, accepted: accepted.clone(), stopped: stopped.clone() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                accepted.lock().expect("no panic").push(Instant::now());
                if let (Some(tls), Ok(stream)) = (tls.clone(), stream) {
                    thread::spawn(move || shake_hands(tls, stream));
                }
            }
        });
        door
    }

    /// Connections within the ten seconds that follow the first second after the first connection.
    fn count(&self) -> usize {
        let (first, second) = (Duration::from_secs(1), Duration::from_secs(1 + SECONDS));
        let ages = wait_for("connections for eleven seconds", Duration::from_secs(60), || {
            let accepted = self.accepted.lock().expect("no panic");
            let begun = *accepted.first()?;
            let ages: Vec<_> = accepted.iter().map(|at| *at - begun).collect();
            ages.last().is_some_and(|last| *last > second).then_some(ages)
        });
        ages.iter().filter(|age| **age > first && **age <= second).count()
    }
}

impl Drop for ClosingBroker {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn tls(identity: &Identity) -> ServerConfig {
    let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a configuration")
}

/// Makes a TLS handshake, which ends with the refusal by the client.
fn shake_hands(tls: Arc<ServerConfig>, mut stream: TcpStream) {
    let mut session = ServerConnection::new(tls).expect("a session");
    while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
}

fn cluster(port: u16, extra: &str) -> config::Cluster {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    let text = format!("[kafka]\nbootstrap.servers = 127.0.0.1:{port}\n{extra}");
    std::fs::write(&file, text).expect("a file");
    load(&Sources { file: Some(file), ..Sources::default() }).expect("valid").clusters.remove(0)
}

fn access(cluster: &config::Cluster) -> Access {
    wire::Client::from_properties("", &cluster.kafka).expect("good settings").access()
}

/// Handles a producer as the service does while the producer is not ready. Returns the number of connections.
fn connections_of_a_producer(door: &ClosingBroker, extra: &str) -> usize {
    let cluster = cluster(door.port, extra);
    let producer =
        Producer::new(&cluster, &access(&cluster), Arc::new(IgnoringListener)).expect("a producer");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut token = 0;
            while !done.load(Ordering::Relaxed) {
                let record = Record { topic: "heartbeats", partition: 0, header: None, payload: b"x" };
                _ = producer.send(&record, token);
                token += 1;
                assert!(
                    producer.learn("heartbeats", Duration::from_millis(250)).is_err(),
                    "no broker answers"
                );
            }
        });
        let count = door.count();
        done.store(true, Ordering::Relaxed);
        count
    })
}

/// Handles a consumer as the service does while the consumer is not ready. Returns the number of connections.
fn connections_of_a_consumer(door: &ClosingBroker, extra: &str) -> usize {
    let cluster = cluster(door.port, extra);
    let mut consumer =
        Consumer::new(&cluster, &access(&cluster), Arc::new(IgnoringListener)).expect("a consumer");
    consumer.assign(&BTreeMap::from([(0, 0), (1, 0)])).expect("an assignment");
    let relearn = consumer.relearn();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                consumer.next(Duration::from_millis(100), |_| ());
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(relearn(Duration::from_millis(250)).is_err(), "no broker answers");
            }
        });
        let count = door.count();
        done.store(true, Ordering::Relaxed);
        count
    })
}

#[test]
fn client_of_a_broker_that_ends_every_connection_connects_once_a_second_at_most() {
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    let secure = format!("security.protocol = SSL\nssl.ca.location = {}\n", ca.display());
    let expired = authority.expired_server();
    let ways = [(None, String::new()), (Some(&expired), secure)];
    let counts = thread::scope(|scope| {
        let running = ways.iter().map(|(identity, extra)| {
            let producer = scope.spawn(|| connections_of_a_producer(&ClosingBroker::open(*identity), extra));
            let consumer = scope.spawn(|| connections_of_a_consumer(&ClosingBroker::open(*identity), extra));
            [producer, consumer]
        });
        let running: Vec<_> = running.collect();
        running
            .into_iter()
            .map(|clients| clients.map(|client| client.join().expect("no panic")))
            .collect::<Vec<_>>()
    });
    for (fault, clients) in ["closed at once", "an expired certificate"].into_iter().zip(counts) {
        for (client, count) in ["producer", "consumer"].into_iter().zip(clients) {
            assert!(count as u64 <= SECONDS, "{fault}: {count} connections of the {client} in {SECONDS} s");
            assert!(
                count as u64 >= SECONDS / 2,
                "{fault}: {count}: a broker that returns is to be found soon"
            );
        }
    }
}

#[test]
fn log_of_a_bad_certificate_has_only_the_hint_of_its_fault() {
    let ours = Authority::new("ours");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, ours.pem()).expect("a file");
    let hour = Duration::from_secs(3600);
    let cases = [
        (ours.expired_server(), "renew the broker's certificate, or check this clock"),
        (ours.server_elsewhere(), "connect by a name that the certificate carries"),
        (Authority::new("theirs").server(hour), "set ssl.ca.location to the CA that signed"),
    ];
    for (identity, right) in cases {
        let door = ClosingBroker::open(Some(&identity));
        let service = Service::start(&format!(
            "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:{}\nsecurity.protocol = SSL\nssl.ca.location = {}\n\
             [metadata]\ninterval = 1s\n",
            door.port,
            ca.display()
        ));
        for client in ["client=\"produce\"", "client=\"fetch\""] {
            let what = format!("a line with {client}");
            wait_for(&what, Duration::from_secs(20), || service.log().contains(client).then_some(()));
        }
        wait_for("the right hint", Duration::from_secs(20), || service.log().contains(right).then_some(()));
        let log = service.log();
        let hints: Vec<_> = log.lines().filter(|line| line.contains("hint=")).collect();
        assert!(hints.iter().all(|line| line.contains(right)), "{hints:#?}");
        for wrong in ["speaks TLS", "ssl.ca.location is correctly", "ca-certificates", "PLAINTEXT"] {
            assert!(!log.contains(wrong), "{wrong}: {log}");
        }
    }
}
