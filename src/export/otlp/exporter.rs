//! One export: encode, send, cut what is too large, repeat what may pass.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use tokio::time::Instant;

use super::{
    answer::{Again, Refused, Taken},
    attempts::Attempts,
    encode::Encoder,
    longest::Longest,
    renewed::RenewedTransport,
    requests::Request,
    sent::Sent,
    settings::{Settings, Temporality, resource},
    transport::{Signal, Transport},
};
use crate::{config, sync::lock, text::plain};

/// Gives all series to an encoder.
pub type Source = Arc<dyn Fn(&mut Encoder<'_>) + Send + Sync>;

/// All exports since the start, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of requests that the collector accepted.
    pub requests: u64,
    /// Bytes of the accepted requests, before compression.
    pub bytes: u64,
    /// Number of attempts that were repeated.
    pub retries: u64,
    /// Number of data points that the collector reported as rejected.
    pub rejected: u64,
}

/// Pushes series to one endpoint.
pub struct Exporter {
    settings: Arc<Settings>,
    transport: RenewedTransport,
    sent: Arc<Mutex<Sent>>,
    source: Source,
    begun: SystemTime,
    report: Arc<Mutex<Report>>,
    longest: Longest,
}

/// Checks the settings of both endpoints, without a connection.
///
/// # Errors
/// The first setting that cannot be used, and why.
pub fn check(otlp: &config::Otlp) -> Result<(), String> {
    let targets = [otlp.metrics.as_ref().map(|one| &one.target), otlp.traces.as_ref().map(|one| &one.target)];
    let mut checked = targets.into_iter().flatten().map(Transport::check);
    checked.find(Result::is_err).unwrap_or(Ok(())).map_err(|words| format!("[otlp] {words}"))
}

impl Exporter {
    /// Prepares an exporter, which connects with its first export. `begun` is when the counters began.
    ///
    /// # Errors
    /// The setting that cannot be used, and why.
    pub fn new(
        otlp: &config::Metrics,
        constant: &std::collections::BTreeMap<String, String>,
        instance: &str,
        source: Source,
        begun: SystemTime,
    ) -> Result<Self, String> {
        let settings = Settings {
            temporality: match otlp.temporality {
                config::Temporality::Cumulative => Temporality::Cumulative,
                config::Temporality::Delta => Temporality::Delta,
            },
            exponential: otlp.histograms == config::Histograms::Exponential,
            resource: resource(&otlp.target, instance),
            constant: constant.clone(),
        };
        let transport = RenewedTransport::new(&otlp.target, Signal::Metrics)
            .map_err(|words| format!("[otlp] {words}"))?;
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

    /// Makes one export, and repeats attempts until the moment given.
    ///
    /// # Errors
    /// Why the export was given up, or the first refusal and how many requests were refused.
    pub async fn export(&mut self, until: Instant) -> Result<Report, String> {
        let exported = self.attempt(until).await;
        self.longest.ended(exported.is_ok());
        exported
    }

    async fn attempt(&mut self, until: Instant) -> Result<Report, String> {
        let now = SystemTime::now();
        let mut waiting = self.encode(now).await?;
        let transport = self.transport.latest().await;
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
            let Refused { words, again } = match attempts.make(transport.send(body)).await {
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
                    tracing::debug!(words = plain(&words), "a request waits for another attempt");
                    if !attempts.pause(again).await {
                        return Err(plain(&words));
                    }
                    lock(&self.report).retries += 1;
                    // The other requests go first: the failure may be one of this request alone.
                    waiting.push_back(request);
                }
            }
        }
        refusals.result().map(|()| *lock(&self.report))
    }

    /// The requests of one round.
    async fn encode(&self, now: SystemTime) -> Result<VecDeque<Request>, String> {
        let settings = self.settings.clone();
        let sent = self.sent.clone();
        let source = self.source.clone();
        let begun = self.begun;
        // Encoding tens of thousands of series takes tens of milliseconds, so it runs outside the workers of the runtime.
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

    /// The counts of all exports so far, those of the export under way included.
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

/// The requests of one export: how many were accepted, and how many were refused for good.
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
