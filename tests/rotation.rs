//! Certificates and passwords that are renewed while the service runs, against a real Apache Kafka.
//!
//! `cargo test --test rotation -- --nocapture` prints what happened when.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use support::{
    certs::IdentityPaths,
    kafka::{Extras, HEARTBEAT, Kafka, Listener},
    service::{Service, Totals},
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// The longest time until the service has noticed a change of a file and has acted on it.
const PATIENCE: Duration = Duration::from_secs(40);

/// The name of the cluster.
const CLUSTER: &str = "k";

/// A configuration with short intervals. `login` are properties of `[kafka]`.
fn config(bootstrap: &str, login: &str) -> String {
    format!(
        "[kafka]\nname = {CLUSTER}\nbootstrap.servers = {bootstrap}\n{login}\n[heartbeat]\ninterval = 200ms\n\
         deadline = 4s\nhorizon = 10s\n[connectivity]\ninterval = 1s\n[metadata]\ninterval = 2s\n[topic]\n\
         interval = 2s\n[lag]\nenabled = false\n[freshness]\nenabled = false\n"
    )
}

/// Prints each step with the time since the beginning.
struct Timeline(Instant);

impl Timeline {
    fn note(&self, words: &str) {
        eprintln!("{:>6.1} s  {words}", self.0.elapsed().as_secs_f32());
    }
}

/// A volume of Kubernetes with a secret: files that are links through `..data`, which is swapped at once.
struct Volume {
    folder: PathBuf,
    versions: usize,
}

impl Volume {
    const FILES: [&'static str; 3] = ["ca.crt", "tls.crt", "tls.key"];

    fn new(folder: &Path) -> Self {
        fs::create_dir(folder).expect("a folder");
        for file in Self::FILES {
            symlink(Path::new("..data").join(file), folder.join(file)).expect("a link");
        }
        Self { folder: folder.to_owned(), versions: 0 }
    }

    /// Replaces all files at once.
    fn swap(&mut self, ca: &Path, certificate: &Path, key: &Path) {
        self.versions += 1;
        let version = format!("..{}", self.versions);
        fs::create_dir(self.folder.join(&version)).expect("a folder");
        for (name, file) in Self::FILES.into_iter().zip([ca, certificate, key]) {
            fs::copy(file, self.folder.join(&version).join(name)).expect("a copy");
        }
        let fresh = self.folder.join("..new");
        symlink(&version, &fresh).expect("a link");
        fs::rename(fresh, self.folder.join("..data")).expect("a swapped link");
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }
}

/// How often a heartbeat client was replaced because of renewed certificates.
fn handovers(service: &Service, client: &str) -> f64 {
    let labels = [format!("client=\"{client}\""), "reason=\"certificate_renewed\"".to_owned()];
    let labels = labels.each_ref().map(String::as_str);
    service.series("heartbeat_client_renewals_total", &labels).expect("it is always exposed")
}

/// How many renewals of one kind of credential were counted with this result.
fn renewals(service: &Service, kind: &str, result: &str) -> f64 {
    let labels = [format!("kind=\"{kind}\""), format!("result=\"{result}\"")];
    let labels = labels.each_ref().map(String::as_str);
    service.series("heartbeat_credential_renewals_total", &labels).expect("it is always exposed")
}

/// The page as a browser gets it.
fn page(service: &Service) -> String {
    service.request("/", "text/html").expect("an answer").2
}

/// The expiry of the certificate that Kafka's clients use, in Unix seconds.
fn expiry(service: &Service) -> f64 {
    service
        .series("heartbeat_own_certificate_expiry_timestamp_seconds", &["use=\"kafka\""])
        .expect("the certificate is known")
}

fn wait_for_log(service: &Service, words: &str) {
    let found = support::try_wait(PATIENCE, || service.log().contains(words).then_some(()));
    found.unwrap_or_else(|| panic!("waited in vain for {words:?}:\n{}", service.log()));
}

/// Waits for 25 more good heartbeats, and asserts that none since `before` is bad. A busy machine may skip heartbeats.
fn assert_good(service: &Service, before: &Totals) -> Totals {
    let now = service.totals(CLUSTER);
    let after = service.wait(CLUSTER, "good heartbeats", 60, |totals| totals.of("ok") >= now.of("ok") + 25);
    let log = service.log();
    assert_eq!(after.bad(), before.bad(), "{after:?}\n{log}");
    assert_eq!(after.bad_events, before.bad_events, "{after:?}\n{log}");
    after
}

#[test]
fn renewed_certificate_is_used_and_a_useless_one_is_reported_while_every_heartbeat_is_good() {
    let Some(kafka) = Kafka::start_single(&Extras::default()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (ca, valid) = (kafka.ca_pem_path(), kafka.client_cert_paths());
    let (renewed, stranger) = (kafka.renewed_client_cert_paths(), kafka.untrusted_client_cert_paths());
    let mut volume = Volume::new(&folder.path().join("tls"));
    let swap = |volume: &mut Volume, IdentityPaths { certificate, key }: &IdentityPaths| {
        volume.swap(&ca, certificate, key);
    };
    swap(&mut volume, &valid);
    let login = format!(
        "security.protocol = ssl\nssl.ca.location = {}\nssl.certificate.location = {}\nssl.key.location = {}",
        volume.path("ca.crt"),
        volume.path("tls.crt"),
        volume.path("tls.key")
    );
    let service = Service::start(&config(&kafka.bootstrap(Listener::MutualTls), &login));
    let timeline = Timeline(Instant::now());
    let begun = service.wait(CLUSTER, "good heartbeats", 60, |totals| totals.of("ok") >= 20);
    let first_expiry = expiry(&service);
    timeline.note("20 good heartbeats with the first certificate");

    swap(&mut volume, &renewed);
    timeline.note("the certificate is replaced by a valid one");
    wait_for("the new clients", PATIENCE, || {
        (handovers(&service, "producer") == 1.0 && handovers(&service, "consumer") == 1.0).then_some(())
    });
    timeline.note("both heartbeat clients are replaced");
    let counted = |result: &str| renewals(&service, "certificate", result);
    let usual = ["ok", "credential_file", "certificate_refused"];
    assert_eq!(usual.map(counted), [1.0, 0.0, 0.0]);
    assert!(expiry(&service) > first_expiry + 86_400.0, "the renewed certificate is valid for longer");
    let after = assert_good(&service, &begun);
    timeline.note("every heartbeat is good");

    let mixed = IdentityPaths { certificate: renewed.certificate.clone(), key: valid.key.clone() };
    swap(&mut volume, &mixed);
    timeline.note("the key is replaced by one that does not fit the certificate");
    wait_for_log(&service, "the renewed credentials cannot be used and those read before stay in use");
    assert!(service.log().contains("ssl.key.location: does not fit the certificate"), "{}", service.log());
    timeline.note("the key is reported");
    wait_for("a counted failure", PATIENCE, || (counted("credential_file") >= 1.0).then_some(()));
    let shown = page(&service);
    let notice = "The files cannot be used: credential_file: ";
    assert!(shown.contains(notice) && shown.contains("does not fit the certificate"), "{shown}");
    let after = assert_good(&service, &after);
    timeline.note("every heartbeat is good");

    swap(&mut volume, &stranger);
    timeline.note("the certificate is replaced by one of another CA");
    wait_for_log(&service, "the renewed credentials are refused and those read before stay in use");
    assert!(service.log().contains("fault=\"certificate_refused\""), "{}", service.log());
    timeline.note("the refusal is reported");
    wait_for("a counted failure", PATIENCE, || (counted("certificate_refused") >= 1.0).then_some(()));
    let after = assert_good(&service, &after);
    assert_eq!(
        service.series("heartbeat_broker_up", &["kafka_cluster=\"k\""]),
        Some(1.0),
        "{}",
        service.log()
    );
    assert_eq!(handovers(&service, "producer"), 1.0, "the useless certificates replaced no client");
    timeline.note("every heartbeat is good, and new sessions use the certificate before");

    swap(&mut volume, &valid);
    timeline.note("the certificate is replaced by the first one");
    wait_for("the new clients", PATIENCE, || {
        (handovers(&service, "producer") == 2.0 && handovers(&service, "consumer") == 2.0).then_some(())
    });
    assert_eq!(expiry(&service), first_expiry);
    assert_eq!(counted("ok"), 2.0, "each certificate that was used is one renewal");
    let shown = page(&service);
    assert!(shown.contains("2 renewals since the start"), "{shown}");
    assert!(!shown.contains("The certificate for Kafka has not been renewed"), "{shown}");
    assert_good(&service, &after);
    timeline.note("both heartbeat clients are replaced, and every heartbeat is good");
    let words = "those read before stay in use";
    assert_eq!(service.log().matches(words).count(), 2, "each set was reported once: {}", service.log());
}

#[test]
fn password_that_changes_first_on_the_broker_and_later_in_its_file_is_used_without_a_restart() {
    let Some(kafka) = Kafka::start_single(&Extras::default()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, HEARTBEAT.password).expect("a file");
    let login = format!(
        "security.protocol = sasl_plaintext\nsasl.mechanism = SCRAM-SHA-512\nsasl.username = {}\n\
         sasl.password.file = {}",
        HEARTBEAT.user,
        file.display()
    );
    let service = Service::start(&config(&kafka.bootstrap(Listener::SaslPlaintext), &login));
    let timeline = Timeline(Instant::now());
    let before = service.wait(CLUSTER, "good heartbeats", 60, |totals| totals.of("ok") >= 20);
    let up = || service.series("heartbeat_broker_up", &["kafka_cluster=\"k\""]);
    wait_for("a connectivity check", PATIENCE, || (up() == Some(1.0)).then_some(()));
    timeline.note("20 good heartbeats with the first password");

    let password = "SCRAM-SHA-512=[password=another-secret]";
    let alter =
        ["--alter", "--entity-type", "users", "--entity-name", HEARTBEAT.user, "--add-config", password];
    kafka.admin("kafka.admin.ConfigCommand", &alter);
    timeline.note("the password is changed on the broker");
    wait_for("a new session that fails", PATIENCE, || (up() == Some(0.0)).then_some(()));
    wait_for_log(&service, "authentication");
    let during = assert_good(&service, &before);
    timeline.note("new sessions fail with authentication, and every heartbeat of the open sessions is good");

    fs::write(&file, "another-secret\n").expect("a file");
    timeline.note("the password is changed in its file");
    let counted = |result: &str| renewals(&service, "password", result);
    assert_eq!(counted("ok"), 0.0, "the file has not changed before");
    wait_for("a new session that succeeds", PATIENCE, || (up() == Some(1.0)).then_some(()));
    assert_eq!(["ok", "authentication", "credential_file"].map(counted), [1.0, 0.0, 0.0]);
    let after = assert_good(&service, &during);
    timeline.note("new sessions succeed, and every heartbeat is good");

    let broker = kafka.broker(1);
    broker.stop();
    service.wait(CLUSTER, "bad heartbeats", 60, |totals| totals.bad() > after.bad());
    broker.restart();
    timeline.note("the broker was restarted, so that every client logs in again");
    let failed = service.totals(CLUSTER);
    service.wait(CLUSTER, "good heartbeats", 60, |totals| totals.of("ok") >= failed.of("ok") + 25);
    timeline.note("the heartbeat clients have logged in with the new password");
    let log = service.log();
    assert!(!log.contains("another-secret") && !log.contains(HEARTBEAT.password), "{log}");
}
