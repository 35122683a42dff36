//! Certificates, keys, CA certificates, passwords and client secrets of one cluster that another program renews while the
//! service runs.
//!
//! The files are read again when their contents change. Renewed credentials are used for the next session once a broker
//! has accepted them, and open sessions go on. Until then the credentials in use stay in use, so it does not matter
//! whether a password changes first on the brokers or first in its file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    CredentialKind, Error, Fault, PropertyError,
    credentials::ASSERTION_FILES,
    native,
    wire::{self, Client, Cluster},
};
use crate::{
    backoff,
    config::{self, Problem, Properties, Property, SecretFiles},
    files::{Checked, FileSet},
    text::Chain,
};

/// The pause between two checks of the files.
const INTERVAL: Duration = Duration::from_secs(3);

/// The longest pause between two attempts to log in with credentials that no broker accepted so far.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The largest number of brokers that one attempt asks.
const BROKERS: usize = 5;

/// The renewal of the credentials of one cluster.
pub struct Rotation {
    cluster: Arc<config::Cluster>,
    wire: Arc<Cluster>,
    files: FileSet<Client>,
    /// Credentials that no broker accepted so far. `None` if the credentials in use are those of the files.
    pending: Option<Pending>,
    /// Why the files cannot be used, and when that is counted next. `None` if they can be used.
    unusable: Option<(Error, Instant)>,
    /// Whether the file system did not answer at the last check.
    is_hung: bool,
}

/// Credentials that no broker accepted so far.
struct Pending {
    client: Client,
    /// The next attempt.
    due: Instant,
    /// The number of attempts that failed.
    failures: u32,
    /// The fault that was logged last.
    logged: Option<Fault>,
}

/// The result of an attempt to log in.
enum Attempt {
    Accepted,
    /// A broker, or the identity provider, refused the credentials, and no broker accepted them.
    Refused(Error),
    /// No broker accepted or refused the credentials, so nothing is known about them.
    Unanswered(Error),
}

impl Rotation {
    /// The renewal for a cluster. `None` if the properties of the cluster name no file.
    pub fn new(cluster: Arc<config::Cluster>, wire: Arc<Cluster>) -> Option<Self> {
        let (kinds, paths): (Vec<_>, _) =
            files(&cluster.kafka, &cluster.kafka_secrets).map(|(key, path)| (kind(key), path)).unzip();
        let files = FileSet::new(paths);
        if files.is_empty() {
            return None;
        }
        wire.client().records().begin(kinds);
        Some(Self { cluster, wire, files, pending: None, unusable: None, is_hung: false })
    }

    /// Watches the files until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(INTERVAL) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.turn() => {}
            }
        }
    }

    /// Checks the files once, and tries out the credentials that are not in use yet.
    async fn turn(&mut self) {
        let (cluster, client) = (self.cluster.clone(), self.wire.client().clone());
        let checked = self.files.check(move || read(&cluster, &client)).await;
        let name = self.cluster.name.as_str();
        let was_hung = std::mem::replace(&mut self.is_hung, matches!(checked, Checked::Hung));
        match checked {
            Checked::Same => {}
            Checked::Changed(client) => {
                self.unusable = None;
                let is_used = client.access().properties() == self.wire.client().access().properties();
                if is_used {
                    self.wire.client().records().renewed(&[]);
                }
                self.pending = (!is_used).then(|| Pending::new(client));
            }
            Checked::Unusable(reason) => {
                self.pending = None;
                tracing::warn!(
                    cluster = name,
                    "the renewed credentials cannot be used and those read before stay in use: {reason}"
                );
                let error = Error::new(Fault::CredentialFile, "the files cannot be used").because(reason);
                self.unusable = Some((error, Instant::now()));
            }
            Checked::Hung if was_hung => {}
            Checked::Hung => tracing::warn!(
                cluster = name,
                "the files of certificates and passwords cannot be read: the file system does not answer"
            ),
        }
        if let Some((error, due)) = self.unusable.as_mut().filter(|(_, due)| *due <= Instant::now()) {
            *due = Instant::now() + LONGEST_PAUSE;
            // The files are read together, so each kind is concerned.
            self.wire.client().records().failed(&CredentialKind::ALL, error);
        }
        let is_due = self.pending.as_ref().is_some_and(|pending| pending.due <= Instant::now());
        if is_due && let Some(pending) = self.pending.take() {
            self.pending = self.try_out(pending).await;
        }
    }

    /// Logs in with credentials, and uses them if a broker accepts them. Otherwise returns them for the next attempt.
    async fn try_out(&self, mut pending: Pending) -> Option<Pending> {
        let cluster = self.cluster.name.as_str();
        let changed = self.changed_kinds(&pending.client);
        let records = self.wire.client().records();
        let error = match self.attempt(&pending.client).await {
            Attempt::Accepted => {
                self.wire.client().adopt(&pending.client);
                records.renewed(&changed);
                tracing::info!(cluster, "the renewed credentials are used for the next sessions");
                return None;
            }
            Attempt::Refused(error) => error,
            Attempt::Unanswered(error) => {
                // The page shows that the identity provider does not answer. A broker's outage is no failed renewal.
                if error.fault().is_ours() {
                    records.failed(&changed, &error);
                }
                tracing::debug!(cluster, "the renewed credentials were not tried: {}", Chain(&error));
                pending.due = Instant::now() + INTERVAL;
                return Some(pending);
            }
        };
        records.failed(&changed, &error);
        let fault = error.fault();
        if pending.logged.replace(fault) != Some(fault) {
            tracing::warn!(
                cluster,
                fault = fault.as_str(),
                hint = fault.hint(),
                "the renewed credentials are refused and those read before stay in use: {}",
                Chain(&error)
            );
        }
        pending.failures = pending.failures.saturating_add(1);
        pending.due = Instant::now() + backoff::pause(INTERVAL, LONGEST_PAUSE, pending.failures);
        Some(pending)
    }

    /// The kinds of credentials that differ between another client and the one in use.
    fn changed_kinds(&self, other: &Client) -> Vec<CredentialKind> {
        let (newest, used) = (other.access().properties(), self.wire.client().access().properties());
        let keys = newest.0.keys().filter(|key| newest.get(key) != used.get(key));
        keys.map(|key| kind(key)).collect()
    }

    /// Opens sessions with brokers in turn until one of them accepts the credentials. A refusal counts only if no broker
    /// accepts them.
    async fn attempt(&self, client: &Client) -> Attempt {
        let mut refusal = None;
        let mut last = Error::new(Fault::NotReady, "no broker is known");
        for endpoint in self.wire.endpoints().iter().take(BROKERS) {
            match wire::open(client, endpoint, self.wire.timeout()).await.result {
                Ok(_) => return Attempt::Accepted,
                Err(error) if is_refusal(error.fault()) => _ = refusal.get_or_insert(error),
                Err(error) => last = error,
            }
        }
        refusal.map_or(Attempt::Unanswered(last), Attempt::Refused)
    }
}

/// Whether a session that failed with this fault says that the credentials are wrong. A broker or an identity provider
/// that cannot be reached says nothing, and neither does a broker that closes the connection.
fn is_refusal(fault: Fault) -> bool {
    !matches!(
        fault,
        Fault::Dns
            | Fault::Refused
            | Fault::Unreachable
            | Fault::Timeout
            | Fault::Disconnected
            | Fault::NotReady
            | Fault::Throttled
            | Fault::Descriptors
            | Fault::TokenEndpoint
            | Fault::Kdc
            | Fault::Clock
    )
}

impl Pending {
    fn new(client: Client) -> Self {
        Self { client, due: Instant::now(), failures: 0, logged: None }
    }
}

/// The kind of the credential of a property.
fn kind(key: &str) -> CredentialKind {
    let is_certificate = (key.starts_with("ssl.") || key.starts_with("https.")) && !key.ends_with("password");
    if is_certificate { CredentialKind::Certificate } else { CredentialKind::Password }
}

/// The properties whose values are in files, each with its file or folder.
pub(crate) fn files<'a>(
    kafka: &'a Properties,
    secrets: &'a SecretFiles,
) -> impl Iterator<Item = (&'a str, PathBuf)> {
    kafka.0.iter().filter_map(|(key, Property { value, .. })| {
        let is_path = key.ends_with(".location") || ASSERTION_FILES.contains(&key.as_str());
        let named = (is_path && !["", "probe"].contains(&value.as_str())).then_some(Path::new(value));
        Some((key.as_str(), secrets.get(key).or(named)?.to_owned()))
    })
}

/// Reads the credentials and checks that both Kafka clients can use them.
///
/// # Errors
/// Everything that is wrong, each with its place.
fn read(cluster: &config::Cluster, client: &Client) -> Result<Client, String> {
    let properties = cluster.kafka_secrets.reread_all(&cluster.kafka).map_err(|problems| {
        words(problems.iter().map(|Problem { place, message }| format!("{place}: {message}")))
    })?;
    let refused = |errors: &[PropertyError]| words(errors.iter().map(PropertyError::to_string));
    let read = client.with(&properties).map_err(|errors| refused(&errors))?;
    let together: Properties = read.access().properties().as_ref().clone();
    let errors = native::check_together(&config::Cluster { kafka: together, ..cluster.clone() });
    if errors.is_empty() { Ok(read) } else { Err(refused(&errors)) }
}

fn words(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join("; ")
}
