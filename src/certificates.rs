//! The expiry of the certificates that the service presents: to Kafka, to OTLP collectors, and to HTTP clients.
//!
//! Kafka's clients know the certificate that they use. The HTTP server and the exporters read their certificate again when
//! its file changes, so the file is read again here.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use crate::{closed_enum::closed_enum, config::Config, files::read_once, kafka::wire, sync::lock};

/// The time between two checks of the clock and of the HTTP server's file.
const INTERVAL: Duration = Duration::from_secs(60);

/// A file that takes longer to read is on a file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

const DAY: Duration = Duration::from_secs(86_400);

/// A warning is logged when this much time is left until the expiry, and when no time is left.
const WARNINGS: [Duration; 4] = [DAY.saturating_mul(14), DAY.saturating_mul(7), DAY, Duration::ZERO];

closed_enum! {
    /// The peers that a certificate is presented to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Purpose {
        /// Kafka's brokers.
        Kafka = "kafka",
        /// Clients of the HTTP server.
        Http = "http",
        /// The collector of metrics.
        OtlpMetrics = "otlp_metrics",
        /// The collector of traces.
        OtlpTraces = "otlp_traces",
    }
}

/// What an operator does about a certificate that expires.
const HINT: &str = "renew the file: it is read again when it changes";

/// A certificate that the service itself presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The cluster that the certificate is presented to; empty if it belongs to no cluster.
    pub cluster: String,
    /// The peers that the certificate is presented to.
    pub purpose: Purpose,
    /// The earliest expiry in the chain of the certificate.
    pub expires: SystemTime,
}

/// Our own certificates.
#[derive(Default)]
pub struct Certificates(Mutex<Vec<Watched>>);

/// A certificate whose expiry is watched.
struct Watched {
    certificate: OwnCertificate,
    source: Source,
    /// The number of [`WARNINGS`] that were logged.
    warned: usize,
}

/// What knows the expiry of the certificate in use.
enum Source {
    /// A file that is read again when it changes.
    File(PathBuf),
    /// The client of a cluster.
    Kafka(Arc<wire::Client>),
}

impl Certificates {
    /// The certificates of a configuration, and those of the clients of Kafka, each with the name of its cluster; each is
    /// logged. A certificate that cannot be read is left out: the part of the service that needs the certificate refuses it.
    pub fn read(config: &Config, clients: Vec<(String, Arc<wire::Client>)>) -> Self {
        let of_http = config.http.tls.iter().filter_map(|tls| {
            let file = &tls.certificate;
            let certificate = read_file(file, Purpose::Http)?;
            Some(Watched::begin(certificate, Source::File(file.clone())))
        });
        let targets = [
            (Purpose::OtlpMetrics, config.otlp.metrics.as_ref().map(|metrics| &metrics.target)),
            (Purpose::OtlpTraces, config.otlp.traces.as_ref().map(|traces| &traces.target)),
        ];
        let of_otlp = targets.into_iter().filter_map(|(purpose, target)| {
            let file = &target?.tls_identity.as_ref()?.certificate;
            Some(Watched::begin(read_file(file, purpose)?, Source::File(file.clone())))
        });
        let certificates = Self(Mutex::new(of_http.chain(of_otlp).collect()));
        certificates.follow(clients);
        certificates
    }

    /// Watches the certificates of these clients of Kafka from now on, and of no others; each that is new is logged.
    pub fn follow(&self, clients: Vec<(String, Arc<wire::Client>)>) {
        let mut all = self.lock();
        all.retain(|watched| match &watched.source {
            Source::Kafka(known) => clients.iter().any(|(_, client)| Arc::ptr_eq(client, known)),
            Source::File(_) => true,
        });
        for (cluster, client) in clients {
            let is_known = all.iter().any(
                |watched| matches!(&watched.source, Source::Kafka(known) if Arc::ptr_eq(known, &client)),
            );
            let expires = if is_known { None } else { client.own_certificate_expiry() };
            if let Some(expires) = expires {
                let certificate = OwnCertificate { cluster, purpose: Purpose::Kafka, expires };
                all.push(Watched::begin(certificate, Source::Kafka(client)));
            }
        }
    }

    /// The certificates as they are known now.
    pub fn known(&self) -> Vec<OwnCertificate> {
        let mut all = self.lock();
        all.iter_mut().for_each(Watched::ask_client);
        all.iter().map(|watched| watched.certificate.clone()).collect()
    }

    /// Logs a warning whenever a certificate comes close to its expiry. Never returns.
    pub async fn watch(&self) {
        self.watch_every(INTERVAL, PATIENCE).await;
    }

    /// Files are read on a blocking thread, one at most, and no lock is held meanwhile, because the file system may not
    /// answer.
    async fn watch_every(&self, interval: Duration, patience: Duration) {
        let mut under_way = None;
        loop {
            tokio::time::sleep(interval).await;
            let files = self.files();
            let found = read_once(&mut under_way, patience, move || read(files)).await;
            if found.is_none() {
                tracing::warn!(
                    "the files of our own certificates cannot be read: the file system does not answer"
                );
            }
            self.renew(&found.and_then(Result::ok).unwrap_or_default(), SystemTime::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Watched>> {
        lock(&self.0)
    }

    /// The files that are read again.
    fn files(&self) -> Vec<PathBuf> {
        let all = self.lock();
        let files = all.iter().filter_map(|watched| match &watched.source {
            Source::File(file) => Some(file.clone()),
            Source::Kafka(_) => None,
        });
        files.collect()
    }

    /// Takes the expiries that were found in files, and logs a warning for each certificate that comes close to its own.
    fn renew(&self, found: &[(PathBuf, SystemTime)], now: SystemTime) {
        for watched in self.lock().iter_mut() {
            watched.ask_client();
            if let Source::File(own) = &watched.source
                && let Some((_, expires)) = found.iter().find(|(file, _)| file == own)
            {
                watched.renew(*expires);
            }
            watched.warn(now);
        }
    }
}

impl Watched {
    fn new(certificate: OwnCertificate, source: Source) -> Self {
        Self { certificate, source, warned: 0 }
    }

    /// Begins to watch a certificate, and logs its expiry.
    fn begin(certificate: OwnCertificate, source: Source) -> Self {
        let OwnCertificate { cluster, purpose, expires } = &certificate;
        let (purpose, expires) = (purpose.as_str(), humantime::format_rfc3339_seconds(*expires));
        tracing::info!(%expires, r#use = purpose, kafka_cluster = cluster, "read a certificate that this service presents");
        let mut watched = Self::new(certificate, source);
        watched.warn(SystemTime::now());
        watched
    }

    /// Takes the expiry of the certificate that a client of Kafka uses now.
    fn ask_client(&mut self) {
        let Source::Kafka(client) = &self.source else { return };
        if let Some(expires) = client.own_certificate_expiry() {
            self.renew(expires);
        }
    }

    /// Takes the expiry of the certificate in use. The warnings begin again with another expiry.
    fn renew(&mut self, expires: SystemTime) {
        if self.certificate.expires != expires {
            self.certificate.expires = expires;
            self.warned = 0;
        }
    }

    /// Logs that little time is left, once for each of [`WARNINGS`].
    fn warn(&mut self, now: SystemTime) {
        let OwnCertificate { cluster, purpose, expires } = &self.certificate;
        let left = expires.duration_since(now).unwrap_or_default();
        let reached = WARNINGS.iter().filter(|limit| left <= **limit).count();
        if reached <= self.warned {
            return;
        }
        self.warned = reached;
        let expires = humantime::format_rfc3339_seconds(*expires);
        let purpose = purpose.as_str();
        let what = if left.is_zero() { "has expired" } else { "expires soon" };
        tracing::warn!(%expires, r#use = purpose, kafka_cluster = cluster, hint = HINT, "our own certificate {what}");
    }
}

/// The expiries of the certificates in files. A file that cannot be read, or that holds no certificate, is left out: it
/// does not replace the certificate that is in use.
fn read(files: Vec<PathBuf>) -> Vec<(PathBuf, SystemTime)> {
    files.into_iter().filter_map(|file| expiry(&file).map(|expires| (file, expires))).collect()
}

/// The certificate in a file that belongs to no cluster; `None` if the file cannot be read or holds no certificate.
fn read_file(file: &Path, purpose: Purpose) -> Option<OwnCertificate> {
    Some(OwnCertificate { cluster: String::new(), purpose, expires: expiry(file)? })
}

/// The earliest expiry of the certificates in a PEM file; `None` if the file cannot be read or holds no certificate.
fn expiry(file: &Path) -> Option<SystemTime> {
    wire::earliest_expiry(&fs::read(file).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(purpose: Purpose, expires: SystemTime) -> OwnCertificate {
        let cluster = if purpose == Purpose::Kafka { "eu" } else { "" };
        OwnCertificate { cluster: cluster.to_owned(), purpose, expires }
    }

    #[test]
    fn warning_is_logged_once_until_the_certificate_is_renewed() {
        let begun = SystemTime::UNIX_EPOCH + 10_000 * DAY;
        let mut one =
            Watched::new(certificate(Purpose::Kafka, begun + 20 * DAY), Source::File("own.pem".into()));
        let warned = |days: u32, one: &mut Watched| {
            one.warn(begun + days * DAY);
            one.warned
        };
        let seen: Vec<_> = [0, 5, 7, 12, 13, 18, 19, 20, 30].map(|days| warned(days, &mut one)).into();
        assert_eq!(seen, [0, 0, 1, 1, 2, 2, 3, 4, 4]);
    }

    #[tokio::test]
    async fn file_on_a_file_system_that_does_not_answer_stops_no_worker_and_no_warning() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("own.pem");
        // Opening a pipe for reading blocks until another process opens the pipe for writing.
        let made = std::process::Command::new("mkfifo").arg(&file).status().expect("mkfifo");
        assert!(made.success());
        let now = SystemTime::now();
        let ours = Certificates(Mutex::new(vec![
            Watched::new(certificate(Purpose::Http, now + 20 * DAY), Source::File(file.clone())),
            Watched::new(
                certificate(Purpose::Kafka, now + DAY / 2),
                Source::File(folder.path().join("other.pem")),
            ),
        ]));
        let brief = Duration::from_millis(20);
        // The runtime has one worker: if the watch blocked that worker, the timeout would never come.
        assert!(tokio::time::timeout(25 * brief, ours.watch_every(brief, brief)).await.is_err());
        assert_eq!(ours.known().len(), 2, "no lock is held");
        assert_eq!(ours.lock()[1].warned, 3, "the other certificate is watched");
        // One thread reads the pipe; writing to the pipe lets the thread end.
        fs::write(&file, "").expect("a reader");
    }

    #[test]
    fn renewed_file_replaces_the_expiry_and_broken_file_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("own.pem");
        let now = SystemTime::now();
        let write = |days: u32| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut params = rcgen::CertificateParams::default();
            (params.not_before, params.not_after) = (now.into(), (now + days * DAY).into());
            fs::write(&file, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
        };
        write(2);
        let expires = expiry(&file).expect("it can be read");
        let ours = Certificates(Mutex::new(vec![Watched::new(
            certificate(Purpose::Http, expires),
            Source::File(file.clone()),
        )]));
        let days = |ours: &Certificates| {
            ours.renew(&read(ours.files()), now);
            let left = ours.known()[0].expires.duration_since(now).expect("in the future");
            (left.as_secs_f64() / DAY.as_secs_f64()).round()
        };
        assert_eq!(days(&ours), 2.0);
        fs::write(&file, "broken").expect("a file");
        assert_eq!(days(&ours), 2.0, "the old certificate is still in use");
        write(90);
        assert_eq!(days(&ours), 90.0);
        assert_eq!(
            ours.0.lock().expect("no panic")[0].warned,
            0,
            "the warnings begin again with a new expiry"
        );
    }
}
