//! When our own certificates expire: those that we show to Kafka and to collectors, and that of our HTTP server.
//!
//! Kafka's clients and the exporters read their certificate once, at the start, so its expiry is that of the certificate
//! that is in use. The HTTP server reads its certificate again when it changes, so its file is read again here.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use tokio::{task::spawn_blocking, time::timeout};

use crate::{app::Checked, config::Config, kafka::wire, metrics::process::OwnCertificate, sync::lock};

/// From one look at the clock and at the HTTP server's file to the next.
const INTERVAL: Duration = Duration::from_secs(60);

/// A file that takes longer to read is on a file system that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

const DAY: Duration = Duration::from_secs(86_400);

/// A line is logged when so much time is left, and when none is left.
const WARNINGS: [Duration; 4] = [DAY.saturating_mul(14), DAY.saturating_mul(7), DAY, Duration::ZERO];

/// Our own certificates.
#[derive(Default)]
pub struct Certificates(Mutex<Vec<Known>>);

struct Known {
    certificate: OwnCertificate,
    /// It is read again, because the certificate in use changes with it.
    file: Option<PathBuf>,
    /// How many of [`WARNINGS`] were logged.
    warned: usize,
}

impl Certificates {
    /// Those of a configuration, as they are now; each is logged. What cannot be read is not among them: who needs it
    /// refuses it.
    pub fn read(config: &Config, clusters: &[Checked]) -> Self {
        let of_kafka = clusters.iter().filter_map(|Checked { cluster, wire }| {
            Some(known(&cluster.name, "kafka", wire.own_certificate_expiry()?, None))
        });
        let of_http = config.http.tls.iter().filter_map(|tls| {
            let file = &tls.certificate;
            Some(known("", "http", expiry(file)?, Some(file.clone())))
        });
        let targets = [
            ("otlp_metrics", config.otlp.metrics.as_ref().map(|metrics| &metrics.target)),
            ("otlp_traces", config.otlp.traces.as_ref().map(|traces| &traces.target)),
        ];
        let of_otlp = targets.into_iter().filter_map(|(purpose, target)| {
            let (file, _) = target?.identity.as_ref()?;
            Some(known("", purpose, expiry(file)?, None))
        });
        let mut all: Vec<_> = of_kafka.chain(of_http).chain(of_otlp).collect();
        let now = SystemTime::now();
        for known in &mut all {
            let OwnCertificate { cluster, purpose, expires } = &known.certificate;
            let expires = humantime::format_rfc3339_seconds(*expires);
            tracing::info!(%expires, r#use = purpose, kafka_cluster = cluster, "read a certificate that this service presents");
            known.warn(now);
        }
        Self(Mutex::new(all))
    }

    /// As they are known now.
    pub fn known(&self) -> Vec<OwnCertificate> {
        self.lock().iter().map(|known| known.certificate.clone()).collect()
    }

    /// Logs when little time is left, for ever.
    pub async fn watch(&self) {
        self.watch_every(INTERVAL, PATIENCE).await;
    }

    /// Files are read on a blocking thread, one at most, and no lock is held meanwhile: the file system may hang.
    async fn watch_every(&self, interval: Duration, patience: Duration) {
        let mut under_way = None;
        loop {
            tokio::time::sleep(interval).await;
            let files = self.files();
            let mut reading = under_way.take().unwrap_or_else(|| spawn_blocking(move || read(files)));
            let found = match timeout(patience, &mut reading).await {
                Ok(found) => found.unwrap_or_default(),
                Err(_) => {
                    tracing::warn!(
                        "the files of our own certificates cannot be read: the file system does not answer"
                    );
                    under_way = Some(reading);
                    Vec::new()
                }
            };
            self.look(&found, SystemTime::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        lock(&self.0)
    }

    /// The files that are read again.
    fn files(&self) -> Vec<PathBuf> {
        self.lock().iter().filter_map(|known| known.file.clone()).collect()
    }

    /// Takes in what was found in files, and logs when little time is left.
    fn look(&self, found: &[(PathBuf, SystemTime)], now: SystemTime) {
        for known in self.lock().iter_mut() {
            let read = found.iter().find(|(file, _)| known.file.as_ref() == Some(file));
            if let Some((_, expires)) = read.filter(|(_, expires)| *expires != known.certificate.expires) {
                (known.certificate.expires, known.warned) = (*expires, 0);
            }
            known.warn(now);
        }
    }
}

/// When the certificates in files expire. A file that cannot be read, or holds none, is left out: it does not replace
/// the certificate that is in use.
fn read(files: Vec<PathBuf>) -> Vec<(PathBuf, SystemTime)> {
    files.into_iter().filter_map(|file| expiry(&file).map(|expires| (file, expires))).collect()
}

fn known(cluster: &str, purpose: &'static str, expires: SystemTime, file: Option<PathBuf>) -> Known {
    let certificate = OwnCertificate { cluster: cluster.to_owned(), purpose, expires };
    Known { certificate, file, warned: 0 }
}

/// The earliest expiry of the certificates in a PEM file; a missing or wrong file has none.
fn expiry(file: &Path) -> Option<SystemTime> {
    wire::earliest_expiry(&fs::read(file).ok()?)
}

impl Known {
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
        let hint = match *purpose {
            "http" => "renew the file: it is read again when it changes",
            _ => "renew the file and restart this service: it is read at the start",
        };
        let what = if left.is_zero() { "has expired" } else { "expires soon" };
        tracing::warn!(%expires, r#use = purpose, kafka_cluster = cluster, hint, "our own certificate {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_logged_once_until_the_certificate_is_renewed() {
        let begun = SystemTime::UNIX_EPOCH + 10_000 * DAY;
        let mut one = known("eu", "kafka", begun + 20 * DAY, None);
        let warned = |days: u32, one: &mut Known| {
            one.warn(begun + days * DAY);
            one.warned
        };
        let seen: Vec<_> = [0, 5, 7, 12, 13, 18, 19, 20, 30].map(|days| warned(days, &mut one)).into();
        assert_eq!(seen, [0, 0, 1, 1, 2, 2, 3, 4, 4]);
    }

    #[tokio::test]
    async fn file_on_a_file_system_that_hangs_stops_no_worker_and_no_warning() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("own.pem");
        // Opening a pipe that nobody writes to takes until somebody does.
        let made = std::process::Command::new("mkfifo").arg(&file).status().expect("mkfifo");
        assert!(made.success());
        let now = SystemTime::now();
        let ours = Certificates(Mutex::new(vec![
            known("", "http", now + 20 * DAY, Some(file.clone())),
            known("eu", "kafka", now + DAY / 2, None),
        ]));
        let brief = Duration::from_millis(20);
        // There is one worker; a watch that stops it never ends.
        assert!(timeout(25 * brief, ours.watch_every(brief, brief)).await.is_err());
        assert_eq!(ours.known().len(), 2, "no lock is held");
        assert_eq!(ours.lock()[1].warned, 3, "the other certificate is watched");
        // Lets the thread end that reads the pipe: there is one.
        fs::write(&file, "").expect("a reader");
    }

    #[test]
    fn a_file_that_is_renewed_counts_and_a_broken_one_does_not() {
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
        let ours = Certificates(Mutex::new(vec![known("", "http", expires, Some(file.clone()))]));
        let days = |ours: &Certificates| {
            ours.look(&read(ours.files()), now);
            let left = ours.known()[0].expires.duration_since(now).expect("in the future");
            (left.as_secs_f64() / DAY.as_secs_f64()).round()
        };
        assert_eq!(days(&ours), 2.0);
        fs::write(&file, "broken").expect("a file");
        assert_eq!(days(&ours), 2.0, "the old one is still in use");
        write(90);
        assert_eq!(days(&ours), 90.0);
        assert_eq!(ours.0.lock().expect("no panic")[0].warned, 0, "what was warned of is over");
    }
}
