//! Series pushed to an OpenTelemetry collector, or to whatever speaks its protocol.
//!
//! An export is encoded once and sent in requests of bounded size. A request that fails in a way that may pass is tried
//! again, behind the others, until the next export is due; then the next export holds newer numbers, and the old one is
//! dropped. A request that is refused for good stays away from the others: they are sent nevertheless. A request that is
//! too large for the collector is cut. So nothing piles up, however long the collector is away or refuses, and with delta
//! temporality nothing is lost or sent twice: see [`encode::Sent`].

pub(super) mod answer;
pub mod encode;
pub mod names;
mod points;
mod requests;
mod sent;
pub(super) mod transport;

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use answer::{Again, Refused, Taken};
use encode::{Encoder, Request, Sent, Settings, Temporality};
use tokio::time::Instant;
use transport::Transport;

use crate::config;

/// The first wait before another attempt; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// No collector can ask for a longer pause. An export is given up before that anyway, but a pause of 2^64 seconds could
/// not be added to a point in time.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A request of so many bytes is not cut: a receiver that finds it too large does not mean its size.
const SMALLEST: usize = 16 << 10;

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
    /// The collector found a request of twice this size too large: the next requests are not longer, in bytes. It
    /// never grows again, because each attempt would be a request that is refused.
    longest: usize,
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
            longest: usize::MAX,
        })
    }

    /// One export; tries until the moment given.
    ///
    /// # Errors
    /// In words, why it was given up, or the first refusal and how many requests were refused.
    pub async fn export(&mut self, until: Instant) -> Result<Report, String> {
        let now = SystemTime::now();
        let mut waiting = self.encode(now).await?;
        let (mut wait, mut refusals) = (FIRST_WAIT, Refusals::default());
        while let Some(request) = waiting.pop_front() {
            if request.length() > self.longest && request.is_divisible() {
                request.cut(self.longest).into_iter().rev().for_each(|part| waiting.push_front(part));
                continue;
            }
            let Err(Refused { words, again }) = self.send(&request, now, until).await else {
                refusals.taken += 1;
                wait = FIRST_WAIT;
                continue;
            };
            let pause = match again {
                Again::Smaller if request.is_divisible() && request.length() > SMALLEST => {
                    self.longest = SMALLEST.max(request.length() / 2);
                    let (length, longest) = (request.length(), self.longest);
                    tracing::info!(length, longest, "a request is too large for the collector: it is cut");
                    waiting.push_front(request);
                    continue;
                }
                Again::Never | Again::Smaller => {
                    refusals.note(&words);
                    continue;
                }
                Again::Soon => wait.mul_f64(0.5 + random()),
                Again::After(pause) => pause.min(LONGEST_PAUSE),
            };
            if Instant::now() + pause >= until {
                return Err(plain(&words));
            }
            tracing::debug!(words = plain(&words), ?pause, "a request is tried again");
            // Behind the others: what is wrong may be wrong with this request alone.
            waiting.push_back(request);
            tokio::time::sleep(pause).await;
            wait = (2 * wait).min(LONGEST_WAIT);
            lock(&self.report).retries += 1;
        }
        refusals.result().map(|()| *lock(&self.report))
    }

    /// The requests of a round.
    async fn encode(&self, now: SystemTime) -> Result<VecDeque<Request>, String> {
        let (settings, sent, source, begun) =
            (self.settings.clone(), self.sent.clone(), self.source.clone(), self.begun);
        // Tens of milliseconds for tens of thousands of series: not on a thread that others wait for.
        let encoding = move || {
            let mut sent = lock(&sent);
            let mut encoder = Encoder::new(&settings, &mut sent, begun, now);
            source(&mut encoder);
            encoder.requests().into()
        };
        tokio::task::spawn_blocking(encoding).await.map_err(|error| error.to_string())
    }

    /// The number of series that the exporter remembers: see [`Sent::remembered`].
    pub fn remembered(&self) -> usize {
        lock(&self.sent).remembered()
    }

    /// What became of all exports so far, whether the one under way ends well or not.
    pub fn report(&self) -> Arc<Mutex<Report>> {
        self.report.clone()
    }

    /// One attempt.
    async fn send(&self, request: &Request, now: SystemTime, until: Instant) -> Result<(), Refused> {
        let body = request.body();
        let length = body.len() as u64;
        let answer = tokio::time::timeout_at(until, self.transport.send(body)).await;
        let late =
            |_| Refused { words: "the collector did not answer in time".to_owned(), again: Again::Soon };
        let Taken { rejected, words } = answer.map_err(late)??;
        lock(&self.sent).arrived(request, now);
        let mut report = lock(&self.report);
        report.requests += 1;
        report.bytes += length;
        report.rejected += rejected;
        if rejected > 0 || !words.is_empty() {
            tracing::warn!(rejected, words = plain(&words), "the collector did not take everything");
        }
        Ok(())
    }
}

/// Requests of one export that were refused for good.
#[derive(Default)]
struct Refusals {
    taken: u64,
    refused: u64,
    first: Option<String>,
}

impl Refusals {
    fn note(&mut self, words: &str) {
        self.refused += 1;
        self.first.get_or_insert_with(|| plain(words));
    }

    fn result(self) -> Result<(), String> {
        let (refused, all) = (self.refused, self.refused + self.taken);
        match self.first {
            None => Ok(()),
            Some(words) if all == 1 => Err(words),
            Some(words) => Err(format!("{refused} of {all} requests were refused: {words}")),
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
