//! The newest token of one cluster, which is renewed before it expires.
//!
//! The first login begins the renewal. A renewal that fails is tried again, and the token in use stays in use until it
//! expires.

use std::{
    sync::{Arc, RwLock},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    msk_iam::MskIam,
    record::{Credential, CredentialKind, RenewalFailure, RenewalRecord},
    renewal::{self, LONGEST_PAUSE, Renewal, Renewed, SHORTEST_PAUSE},
    settings::{Origin, TokenSettings},
    token::Token,
    token_endpoint::TokenEndpoint,
    token_file::TokenFile,
};
use crate::{
    backoff,
    config::secret,
    kafka::{Error, Fault, Stage, properties::PropertyReader},
    sync::{read, write},
    text::Chain,
};

/// The pause between two reads of the file of a token.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

/// The source of the tokens of one cluster.
#[derive(Debug)]
pub struct TokenSource {
    /// The name of the cluster, for the log.
    cluster: String,
    supply: RwLock<Arc<Supply>>,
    extensions: Vec<(String, String)>,
    latest: watch::Sender<Latest>,
    record: RenewalRecord,
    renewal: Renewal,
}

#[derive(Debug)]
enum Supply {
    File(TokenFile),
    Endpoint(TokenEndpoint),
    MskIam(MskIam),
}

/// The newest token, and the failure of the last renewal.
#[derive(Debug, Clone, Default)]
pub(in crate::kafka) struct Latest {
    /// `None` before the first token.
    pub(in crate::kafka) token: Option<Arc<Token>>,
    /// The last failure. `None` if the last renewal succeeded.
    failure: Option<RenewalFailure>,
}

impl TokenSource {
    /// Prepares the source. `None` if a property cannot be used; its error is left with the reader.
    pub(super) fn new(
        cluster: &str,
        settings: TokenSettings,
        reader: &mut PropertyReader<'_>,
    ) -> Option<Arc<Self>> {
        let supply = match settings.origin {
            Origin::File(path) => Supply::File(TokenFile::new(path)),
            Origin::Endpoint(request) => Supply::Endpoint(TokenEndpoint::new(request, reader)?),
            Origin::MskIam(settings) => Supply::MskIam(MskIam::new(settings, reader)?),
        };
        let latest = watch::Sender::new(Latest::default());
        let record = RenewalRecord::new(matches!(supply, Supply::Endpoint(_)));
        Some(Arc::new(Self {
            cluster: cluster.to_owned(),
            supply: RwLock::new(Arc::new(supply)),
            extensions: settings.extensions,
            latest,
            record,
            renewal: Renewal::default(),
        }))
    }

    /// Gets the following tokens from where another source gets its tokens, such as with another secret of the client. The
    /// newest token of the other source is used from now on.
    pub(in crate::kafka) fn adopt(&self, other: &Self) {
        *write(&self.supply) = other.supply();
        let newest = other.latest.borrow().clone();
        if newest.token.is_some() {
            self.latest.send_replace(newest);
        }
    }

    fn supply(&self) -> Arc<Supply> {
        read(&self.supply).clone()
    }

    /// The SASL extensions that are sent beside each token.
    pub(in crate::kafka) fn extensions(&self) -> &[(String, String)] {
        &self.extensions
    }

    /// The newest token as far as others may know it, and what is counted of its renewals.
    pub fn credential(&self) -> Credential {
        let Latest { token, failure } = self.latest.borrow().clone();
        let expires = token.and_then(|token| token.expires());
        self.record.read(CredentialKind::Token, expires, failure)
    }

    /// Whether there is a token that has not expired.
    pub fn has_usable(&self) -> bool {
        let token = &self.latest.borrow().token;
        token.as_ref().is_some_and(|token| token.usable_until() > SystemTime::now())
    }

    /// The newest token and those that follow.
    pub(in crate::kafka) fn subscribe(&self) -> watch::Receiver<Latest> {
        self.latest.subscribe()
    }

    /// The newest token that has not expired. Waits for the first token until the deadline. Must be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// Why there is no token, at the stage of the login.
    pub(in crate::kafka) async fn token(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Token>, Error> {
        Renewal::begin(self);
        let mut updates = self.subscribe();
        loop {
            let Latest { token, failure } = updates.borrow_and_update().clone();
            if let Some(token) = token.filter(|token| token.usable_until() > SystemTime::now()) {
                return Ok(token);
            }
            if let Some(RenewalFailure { fault, message, .. }) = failure {
                return Err(Error::new(fault, message).at(Stage::Sasl));
            }
            self.renewal.want();
            let waited = timeout_at(deadline, updates.changed()).await;
            if !matches!(waited, Ok(Ok(()))) {
                let what = "no token came in time";
                return Err(Error::new(self.supply().fault(), what).at(Stage::Sasl));
            }
        }
    }

    /// Publishes and counts a failure. The first of several with the same fault is logged.
    fn report(&self, error: &Error) {
        let (fault, message) = (error.fault(), Chain(error).to_string());
        let before = self.latest.borrow().failure.as_ref().map(|failure| (failure.fault, failure.since));
        if before.is_none_or(|(before, _)| before != fault) {
            let (cluster, hint) = (&self.cluster, fault.hint());
            tracing::warn!(
                cluster,
                fault = fault.as_str(),
                hint,
                "the token for Kafka cannot be renewed: {message}"
            );
        }
        self.record.failed(fault);
        let since = before.map_or_else(SystemTime::now, |(_, since)| since);
        self.latest.send_modify(|latest| latest.failure = Some(RenewalFailure { fault, message, since }));
    }

    /// Publishes and counts a token, unless it is the one in use.
    fn publish(&self, token: Token) {
        let changed = self.latest.send_if_modified(|latest| {
            let failed = latest.failure.take().is_some();
            let used = latest.token.as_ref();
            let same = used.filter(|used| used.reveal() == token.reveal());
            if same.is_none() {
                secret::remember_issued(token.reveal(), token.usable_until());
            }
            // The same text may have a later expiry, which the text does not hold.
            let newer = same.is_none_or(|used| used.usable_until() < token.usable_until());
            if newer {
                latest.token = Some(Arc::new(token));
            }
            failed || newer
        });
        if changed {
            self.record.renewed();
        }
    }
}

impl Renewed for TokenSource {
    fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    fn has_usable(&self) -> bool {
        self.has_usable()
    }

    async fn renew_once(&self, failures: &mut u32) -> Duration {
        let supply = self.supply();
        match supply.obtain(&self.record).await {
            Ok(token) => {
                if *failures > 0 {
                    tracing::info!(cluster = self.cluster, "the token for Kafka was renewed again");
                }
                if let Some(clocks) = self.record.wrong_clock()
                    && let Some(hint) = Fault::Clock.hint_once(&self.cluster)
                {
                    let fault = Fault::Clock.as_str();
                    tracing::warn!(
                        cluster = self.cluster,
                        fault,
                        hint,
                        "the token for Kafka was renewed, but {clocks}"
                    );
                }
                *failures = 0;
                let pause = supply.pause(&token);
                self.publish(token);
                pause
            }
            Err(error) => {
                self.report(&error);
                *failures = failures.saturating_add(1);
                backoff::pause(SHORTEST_PAUSE, supply.longest_pause(), *failures)
            }
        }
    }
}

impl Supply {
    async fn obtain(&self, record: &RenewalRecord) -> Result<Token, Error> {
        match self {
            Self::Endpoint(endpoint) => endpoint.fetch(record).await,
            Self::File(file) => file.read().await,
            Self::MskIam(signer) => signer.sign().await,
        }
    }

    /// The pause until the renewal of a token. A file is read again and again, because another program renews it.
    fn pause(&self, token: &Token) -> Duration {
        match self {
            Self::File(_) => FILE_INTERVAL,
            Self::Endpoint(_) | Self::MskIam(_) => token.renewal(renewal::share()).max(SHORTEST_PAUSE),
        }
    }

    /// The longest pause after a renewal that failed.
    fn longest_pause(&self) -> Duration {
        match self {
            Self::File(_) => FILE_INTERVAL,
            Self::Endpoint(_) | Self::MskIam(_) => LONGEST_PAUSE,
        }
    }

    /// The fault of a token that does not come.
    fn fault(&self) -> Fault {
        match self {
            Self::File(_) => Fault::TokenFile,
            Self::Endpoint(_) => Fault::TokenEndpoint,
            Self::MskIam(_) => Fault::AwsCredentials,
        }
    }
}
