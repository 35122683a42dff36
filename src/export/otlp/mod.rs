//! Series pushed to an OpenTelemetry collector, or to whatever speaks its protocol.
//!
//! An export is encoded once and sent in requests of bounded size. What fails in a way that may pass is tried again
//! until the next export is due; then that one tells more, and the old one is dropped. So nothing piles up, however
//! long the collector is away, and with delta temporality nothing is lost or told twice: see [`encode::Sent`].

pub mod encode;
pub mod names;
mod points;
mod requests;
mod sent;
pub(super) mod transport;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use encode::{Encoder, Sent, Settings, Temporality};
use tokio::time::Instant;
use transport::{Again, Refused, Transport};

use crate::config;

/// The first wait before another attempt; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Hands all series to an encoder.
pub type Source = Arc<dyn Fn(&mut Encoder<'_>) + Send + Sync>;

/// What became of all exports since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Requests that were taken.
    pub requests: u64,
    /// Their bytes, before they were packed.
    pub bytes: u64,
    /// Attempts that failed before one did not.
    pub retries: u64,
    /// Points that the collector did not take, by its own word.
    pub rejected: u64,
}

/// Pushes series.
pub struct Exporter {
    settings: Arc<Settings>,
    transport: Transport,
    sent: Arc<Mutex<Sent>>,
    source: Source,
    begun: SystemTime,
    report: Arc<Mutex<Report>>,
}

/// Whether the settings can be used.
///
/// # Errors
/// What cannot, in words.
pub fn check(otlp: &config::Otlp) -> Result<(), String> {
    let targets = [otlp.metrics.as_ref().map(|one| &one.target), otlp.traces.as_ref().map(|one| &one.target)];
    let mut checked = targets.into_iter().flatten().map(Transport::check);
    checked.find(Result::is_err).unwrap_or(Ok(())).map_err(|words| format!("[otlp] {words}"))
}

/// Who we are: what was configured, and the rest.
pub(super) fn resource(target: &config::Target, instance: &str) -> Vec<(String, String)> {
    let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance)];
    let own = own.into_iter().filter(|(name, _)| !target.resource.contains_key(*name));
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    target.resource.clone().into_iter().chain(own).collect()
}

impl Exporter {
    /// Prepares everything; connects with the first export. `begun` is when counters began.
    ///
    /// # Errors
    /// What of the settings cannot be used, in words.
    pub fn new(
        otlp: &config::Metrics,
        constant: &std::collections::BTreeMap<String, String>,
        instance: &str,
        source: Source,
        begun: SystemTime,
    ) -> Result<Self, String> {
        let settings = Settings {
            temporality: if otlp.delta { Temporality::Delta } else { Temporality::Cumulative },
            exponential: otlp.exponential,
            resource: resource(&otlp.target, instance),
            constant: constant.clone(),
        };
        let transport = Transport::new(&otlp.target).map_err(|words| format!("[otlp] {words}"))?;
        Ok(Self {
            settings: Arc::new(settings),
            transport,
            sent: Arc::default(),
            source,
            begun,
            report: Arc::default(),
        })
    }

    /// One export; tries until the moment given.
    ///
    /// # Errors
    /// Why it was given up, in words.
    pub async fn export(&mut self, until: Instant) -> Result<Report, String> {
        let now = SystemTime::now();
        let (settings, sent, source, begun) =
            (self.settings.clone(), self.sent.clone(), self.source.clone(), self.begun);
        // Tens of milliseconds for tens of thousands of series: not on a thread that others wait for.
        let encoding = move || {
            let mut sent = lock(&sent);
            let mut encoder = Encoder::new(&settings, &mut sent, begun, now);
            source(&mut encoder);
            encoder.requests()
        };
        let requests = tokio::task::spawn_blocking(encoding).await.map_err(|error| error.to_string())?;
        for (number, request) in requests.into_iter().enumerate() {
            let length = request.len() as u64;
            self.send(request, until).await?;
            lock(&self.sent).arrived(number, now);
            let mut report = lock(&self.report);
            report.requests += 1;
            report.bytes += length;
        }
        Ok(*lock(&self.report))
    }

    /// What became of all exports so far, whether the one under way ends well or not.
    pub fn report(&self) -> Arc<Mutex<Report>> {
        self.report.clone()
    }

    async fn send(&mut self, request: Bytes, until: Instant) -> Result<(), String> {
        let mut wait = FIRST_WAIT;
        loop {
            let limit = tokio::time::timeout_at(until, self.transport.send(request.clone())).await;
            let Refused { words, again } = match limit {
                Ok(Ok(taken)) => {
                    lock(&self.report).rejected += taken.rejected;
                    if taken.rejected > 0 || !taken.words.is_empty() {
                        let (rejected, words) = (taken.rejected, plain(&taken.words));
                        tracing::warn!(rejected, words, "the collector did not take everything");
                    }
                    return Ok(());
                }
                Ok(Err(refused)) => refused,
                Err(_) => return Err("the collector did not answer in time".to_owned()),
            };
            let pause = match again {
                Again::Never => return Err(plain(&words)),
                Again::Soon => wait.mul_f64(0.5 + random()),
                Again::After(pause) => pause,
            };
            if Instant::now() + pause >= until {
                return Err(plain(&words));
            }
            tracing::debug!(words = plain(&words), ?pause, "an export is tried again");
            tokio::time::sleep(pause).await;
            wait = (2 * wait).min(LONGEST_WAIT);
            lock(&self.report).retries += 1;
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From 0 up to 1: so that those who failed together do not come back together. A new hasher's keys are random.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

/// What a stranger says, on one line of bounded length.
fn plain(words: &str) -> String {
    words.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
