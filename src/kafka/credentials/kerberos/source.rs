//! The ticket of the principal of this process, which is renewed before it expires.
//!
//! The first login begins the renewal. A renewal that fails is tried again, and the ticket in use stays in use until it
//! expires.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore, watch},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout, timeout_at},
};

use super::{
    super::{
        record::{Credential, CredentialKind, RenewalFailure, RenewalRecord},
        renewal::{self, LONGEST_PAUSE, Renewal, Renewed, SHORTEST_PAUSE},
    },
    krb5,
    negotiation::Negotiation,
    settings::TicketSettings,
};
use crate::{
    backoff,
    kafka::{Error, Fault, Stage, properties::PropertyReader},
    sync::lock,
    text::plain,
};

/// The longest wait for an answer of the KDC to a renewal.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest number of requests for tickets for brokers at the same time. Each blocks a thread, and with a KDC that hangs
/// it blocks the thread for up to a minute.
const MAX_REQUESTS: usize = 16;

/// The source of this process, while a cluster uses it. All clusters share it, because librdkafka can use only one cache of
/// tickets in a process.
static SHARED: Mutex<Weak<TicketSource>> = Mutex::new(Weak::new());

/// The source of the tickets of this process.
#[derive(Debug)]
pub(in crate::kafka) struct TicketSource {
    principal: String,
    keytab: PathBuf,
    latest: watch::Sender<Latest>,
    record: RenewalRecord,
    renewal: Renewal,
    /// A request that has not ended. A KDC that hangs blocks this thread and no other.
    requesting: AsyncMutex<Option<JoinHandle<Obtained>>>,
    /// One permit for each request for a ticket for a broker.
    requests: Arc<Semaphore>,
}

/// The lifetime of a ticket, or why there is none.
type Obtained = Result<Duration, (Fault, String)>;

/// The newest ticket, and the failure of the last renewal.
#[derive(Debug, Clone, Default)]
struct Latest {
    /// When the ticket expires. `None` before the first ticket.
    usable_until: Option<SystemTime>,
    /// The last failure. `None` if the last renewal succeeded.
    failure: Option<RenewalFailure>,
}

impl TicketSource {
    /// The source for this principal. `None` if another cluster has another principal, which is left with the reader as an
    /// error.
    pub(in crate::kafka) fn shared(
        settings: &TicketSettings,
        reader: &mut PropertyReader<'_>,
    ) -> Option<Arc<Self>> {
        let mut shared = lock(&SHARED);
        if let Some(source) = shared.upgrade() {
            if source.principal == settings.principal && source.keytab == settings.keytab {
                return Some(source);
            }
            let message = "this process uses another principal or keytab, and all its clusters share one: run a process for \
                           each principal, and restart the process after a change";
            reader.error("sasl.kerberos.principal", message);
            return None;
        }
        let source = Arc::new(Self {
            principal: settings.principal.clone(),
            keytab: settings.keytab.clone(),
            latest: watch::Sender::default(),
            record: RenewalRecord::new(false),
            renewal: Renewal::default(),
            requesting: AsyncMutex::new(None),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        });
        *shared = Arc::downgrade(&source);
        Some(source)
    }

    /// The name of the client, for errors.
    pub(in crate::kafka) fn principal(&self) -> &str {
        &self.principal
    }

    /// Whether there is a ticket that has not expired.
    pub(in crate::kafka) fn has_usable(&self) -> bool {
        self.latest.borrow().usable_until.is_some_and(|until| until > SystemTime::now())
    }

    /// The newest ticket as far as others may know it, and what is counted of its renewals.
    pub(in crate::kafka) fn credential(&self) -> Credential {
        let Latest { usable_until, failure } = self.latest.borrow().clone();
        self.record.read(CredentialKind::Ticket, usable_until, failure)
    }

    /// Begins a login at a broker, and returns the first message. Waits for the ticket until the deadline. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// Why there is no ticket, at the stage of the login.
    pub(in crate::kafka) async fn begin(
        self: &Arc<Self>,
        service: &str,
        host: &str,
        deadline: Instant,
    ) -> Result<(Negotiation, Vec<u8>), Error> {
        self.ticket(deadline).await?;
        let late = || {
            let what = format!("no ticket for the service {service} at {}", plain(host));
            Error::new(Fault::Kdc, what).at(Stage::Sasl).because("the KDC did not answer in time")
        };
        let permit = timeout_at(deadline, self.requests.clone().acquire_owned()).await.map_err(|_| late())?;
        let (service, host) = (service.to_owned(), host.to_owned());
        let request = spawn_blocking(move || {
            // Held until the request ends, even if nobody waits for it any more.
            let _permit = permit;
            Negotiation::begin(&service, &host)
        });
        match timeout_at(deadline, request).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => Err(late().because(error)),
            Err(_) => Err(late()),
        }
    }

    /// Waits until there is a ticket that has not expired.
    async fn ticket(self: &Arc<Self>, deadline: Instant) -> Result<(), Error> {
        Renewal::begin(self);
        let mut updates = self.latest.subscribe();
        loop {
            let Latest { failure, .. } = updates.borrow_and_update().clone();
            if self.has_usable() {
                return Ok(());
            }
            if let Some(RenewalFailure { fault, message, .. }) = failure {
                return Err(Error::new(fault, message).at(Stage::Sasl));
            }
            self.renewal.want();
            if !matches!(timeout_at(deadline, updates.changed()).await, Ok(Ok(()))) {
                let (fault, words) = self.silent();
                return Err(Error::new(fault, words).at(Stage::Sasl));
            }
        }
    }

    /// Requests a ticket.
    async fn obtain(&self) -> Obtained {
        let mut requesting = self.requesting.lock().await;
        let (principal, keytab) = (self.principal.clone(), self.keytab.clone());
        let request =
            requesting.get_or_insert_with(|| spawn_blocking(move || krb5::obtain(&principal, &keytab)));
        let Ok(ended) = timeout(TIMEOUT, request).await else { return Err(self.silent()) };
        *requesting = None;
        ended.unwrap_or_else(|_| Err(self.silent()))
    }

    /// The failure of a KDC that does not answer.
    fn silent(&self) -> (Fault, String) {
        (Fault::Kdc, format!("no ticket for {}: the KDC did not answer in time", plain(&self.principal)))
    }
}

impl Renewed for TicketSource {
    fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    fn is_due(&self) -> bool {
        !self.has_usable()
    }

    async fn renew_once(&self, failures: &mut u32) -> Duration {
        match self.obtain().await {
            Ok(lifetime) => {
                if *failures > 0 {
                    tracing::info!("the Kerberos ticket for Kafka was renewed again");
                }
                *failures = 0;
                self.record.renewed();
                let usable_until = Some(SystemTime::now() + lifetime);
                self.latest.send_replace(Latest { usable_until, failure: None });
                lifetime.mul_f64(renewal::share()).max(SHORTEST_PAUSE)
            }
            Err((fault, message)) => {
                let before = self.latest.borrow().failure.clone();
                if before.as_ref().map(|failure| failure.fault) != Some(fault) {
                    let hint = fault.hint();
                    tracing::warn!(hint, "the Kerberos ticket for Kafka cannot be renewed: {message}");
                }
                self.record.failed(fault);
                let since = before.map_or_else(SystemTime::now, |failure| failure.since);
                let failure = RenewalFailure { fault, message, since };
                self.latest.send_modify(|latest| latest.failure = Some(failure));
                *failures = failures.saturating_add(1);
                backoff::pause(SHORTEST_PAUSE, LONGEST_PAUSE, *failures)
            }
        }
    }
}
