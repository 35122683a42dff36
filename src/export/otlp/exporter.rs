//! Series pushed to an OpenTelemetry collector, or to whatever speaks its protocol.
//!
//! An export is encoded once and sent in requests of bounded size. A request that fails in a way that may pass is tried
//! again, behind the others, until the next export is due; then the next export holds newer numbers, and the old one is
//! dropped. A request that is refused for good stays away from the others: they are sent nevertheless. A request that is
//! too large for the collector is cut. So nothing piles up, however long the collector is away or refuses, and with delta
//! temporality nothing is lost or sent twice: see [`encode::Sent`].

pub(super) mod answer;
pub(super) mod attempts;
pub mod encode;
mod longest;
pub mod names;
mod points;
mod requests;
mod sent;
pub(super) mod transport;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use answer::{Again, Refused, Taken};
use attempts::Attempts;
use encode::{Encoder, Request, Sent, Settings, Temporality};
use longest::Longest;
use tokio::time::Instant;
use transport::{Signal, Transport};

use crate::{config, sync::lock, text::plain};

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
    longest: Longest,
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
        let transport =
            Transport::new(&otlp.target, Signal::Metrics).map_err(|words| format!("[otlp] {words}"))?;
        Ok(Self {
            settings: Arc::new(settings),
            transport,
            sent: Arc::default(),
            source,
            begun,
            report: Arc::default(),
            longest: Longest::default(),
        })
    }

    /// One export; tries until the moment given.
    ///
    /// # Errors
    /// In words, why it was given up, or the first refusal and how many requests were refused.
    pub async fn export(&mut self, until: Instant) -> Result<Report, String> {
        let exported = self.attempt(until).await;
        self.longest.ended(exported.is_ok());
        exported
    }

    async fn attempt(&mut self, until: Instant) -> Result<Report, String> {
        let now = SystemTime::now();
        let mut waiting = self.encode(now).await?;
        let (mut attempts, mut refusals) = (Attempts::until(until), Refusals::default());
        while let Some(request) = waiting.pop_front() {
            if request.is_divisible()
                && let Some(longest) = self.longest.exceeded_by(request.length())
            {
                request.cut(longest).into_iter().rev().for_each(|part| waiting.push_front(part));
                continue;
            }
            let body = request.body();
            let length = body.len() as u64;
            let Refused { words, again } = match attempts.make(self.transport.send(body)).await {
                Ok(taken) => {
                    self.longest.taken(request.length());
                    self.note(&request, length, &taken, now);
                    refusals.taken += 1;
                    continue;
                }
                Err(refused) => refused,
            };
            match again {
                Again::Smaller if request.is_divisible() => {
                    let length = request.length();
                    let Some(longest) = self.longest.refused(length) else {
                        refusals.note(&words);
                        continue;
                    };
                    tracing::info!(length, longest, "a request is too large for the collector: it is cut");
                    waiting.push_front(request);
                }
                Again::Never | Again::Smaller => refusals.note(&words),
                Again::Soon | Again::After(_) => {
                    tracing::debug!(words = %plain(&words), "a request waits for another attempt");
                    if !attempts.pause(again).await {
                        return Err(plain(&words));
                    }
                    lock(&self.report).retries += 1;
                    // Behind the others: what is wrong may be wrong with this request alone.
                    waiting.push_back(request);
                }
            }
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

    /// The collector took a request.
    fn note(&self, request: &Request, length: u64, taken: &Taken, now: SystemTime) {
        lock(&self.sent).arrived(request, now);
        taken.log();
        let mut report = lock(&self.report);
        report.requests += 1;
        report.bytes += length;
        report.rejected += taken.rejected;
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
