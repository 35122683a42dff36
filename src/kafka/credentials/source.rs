//! The newest token of one cluster, which is renewed before it expires.
//!
//! The first login begins the renewal. A renewal that fails is tried again, and the token in use stays in use until it
//! expires.

use std::{
    sync::{Arc, Mutex, RwLock},
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
    config::{Properties, secret},
    kafka::{Error, Fault, PropertyError, Stage, properties::PropertyReader},
    sync::{lock, read, write},
    text::Chain,
};

/// The pause between two reads of the file of a token.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

/// The shortest time between two renewals of tokens that brokers refused.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(60);

/// The smallest extension of the use of a token that its users hear of.
const EXTENSION: Duration = Duration::from_secs(60);

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
    /// The last token that was renewed because a broker refused it, and when.
    refusal: Mutex<Option<(Arc<Token>, Instant)>>,
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
            refusal: Mutex::default(),
        }))
    }

    /// The source of the tokens for a service beside Kafka, from the properties of OAUTHBEARER. `name` is its name for the log.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub fn of_service(name: &str, properties: &Properties) -> Result<Arc<Self>, Vec<PropertyError>> {
        let mut reader = PropertyReader::new(properties);
        let settings = TokenSettings::read(&mut reader);
        let source = settings.and_then(|settings| Self::new(name, settings, &mut reader));
        source.ok_or_else(|| reader.into_errors())
    }

    /// The text of the newest token that has not expired, for a service beside Kafka. Waits for the first token until the
    /// deadline. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn bearer(self: &Arc<Self>, deadline: Instant) -> Result<String, Error> {
        Ok(self.token(deadline).await?.reveal().to_owned())
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

    /// Notes that a broker refused a token that has not expired: its issuer may have other keys now, or have revoked it. If
    /// it is still the newest token, it is renewed at once, at most once a minute.
    pub(in crate::kafka) fn refused(&self, token: &Token) {
        let newest = self.latest.borrow().token.clone().filter(|newest| newest.is_same(token));
        let Some(newest) = newest else { return };
        let mut refusal = lock(&self.refusal);
        if refusal.as_ref().is_some_and(|(_, at)| at.elapsed() < REFUSAL_INTERVAL) {
            return;
        }
        *refusal = Some((newest, Instant::now()));
        tracing::info!(cluster = self.cluster, "a broker refused the token for Kafka: it is renewed now");
        self.renewal.want();
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

    /// Publishes a token, and counts it unless it is the one in use. A token whose expiry nobody knows is used for longer
    /// each time that it is read, and its users hear of that once a minute.
    fn publish(&self, token: Token) {
        let mut counts = false;
        self.latest.send_if_modified(|latest| {
            let failed = latest.failure.take().is_some();
            let same = latest.token.as_ref().filter(|used| used.is_same(&token));
            // The same text may have a later expiry, which the text does not hold.
            let is_new = same.is_none_or(|used| used.expires() < token.expires());
            let is_longer = same.is_some_and(|used| used.usable_until() + EXTENSION <= token.usable_until());
            counts = failed || is_new;
            if is_new || is_longer {
                secret::remember_issued(token.reveal(), token.usable_until());
                latest.token = Some(Arc::new(token));
            }
            failed || is_new || is_longer
        });
        if counts {
            self.record.renewed();
        }
    }
}

impl Renewed for TokenSource {
    fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    fn is_due(&self) -> bool {
        let refused = lock(&self.refusal).as_ref().map(|(token, _)| token.clone());
        let newest = self.latest.borrow().token.clone();
        let was_refused = refused.zip(newest).is_some_and(|(refused, newest)| refused.is_same(&newest));
        was_refused || !self.has_usable()
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
            Self::MskIam(signer) => signer.sign(record).await,
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::{super::token::Receipt, *};
    use crate::config::Property;

    const LIMIT: Duration = Duration::from_secs(10);

    fn source(pairs: &[(&str, &str)]) -> Arc<TokenSource> {
        let property = |value: &str| Property { value: value.to_owned(), place: String::new() };
        let properties = pairs.iter().map(|(key, value)| ((*key).to_owned(), property(value)));
        let properties = Properties(properties.collect());
        let mut reader = PropertyReader::new(&properties);
        let settings = TokenSettings::read(&mut reader).expect("settings");
        TokenSource::new("k", settings, &mut reader).expect("a source")
    }

    /// The source of an identity provider that issues a new token for each request.
    async fn source_of_an_identity_provider() -> Arc<TokenSource> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/token", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            for number in 1.. {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = Vec::new();
                while !String::from_utf8_lossy(&request).contains("client_credentials") {
                    stream.read_buf(&mut request).await.expect("a request");
                }
                let body = format!("{{\"access_token\":\"token-{number}\",\"expires_in\":3600}}");
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.expect("an open connection");
            }
        });
        source(&[
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.client.id", "me"),
            ("sasl.oauthbearer.client.secret", "hush"),
            ("sasl.oauthbearer.token.endpoint.url", &url),
        ])
    }

    #[tokio::test]
    async fn token_that_a_broker_refused_is_renewed_once_in_a_minute_while_it_is_the_newest() {
        let source = source_of_an_identity_provider().await;
        let first = source.token(Instant::now() + LIMIT).await.expect("a token");
        assert!(!source.is_due());
        let mut updates = source.subscribe();
        source.refused(&first);
        assert!(source.is_due());
        timeout(LIMIT, updates.changed()).await.expect("a renewal in time").expect("a living source");
        let second = source.token(Instant::now() + LIMIT).await.expect("a token");
        assert_eq!(second.reveal(), "token-2");
        source.refused(&first);
        source.refused(&second);
        assert!(!source.is_due(), "the first is no longer in use, and the second came within a minute");
        assert_eq!(source.credential().renewals, 2);
    }

    #[test]
    fn token_that_is_read_again_is_used_for_longer_and_counted_once() {
        let source = source(&[("sasl.oauthbearer.token.file", "/run/token")]);
        let mut updates = source.subscribe();
        let begin = SystemTime::now();
        let mut heard = 0;
        for second in (0..=600).step_by(5) {
            let read = begin + Duration::from_secs(second);
            source.publish(Token::read("opaque", &Receipt::at(read)).expect("a token"));
            heard += usize::from(updates.has_changed().expect("a living source"));
            let token = updates.borrow_and_update().token.clone().expect("a token");
            let left = token.usable_until().duration_since(read).expect("a token in use");
            assert!(left > Duration::from_secs(240), "{left:?} at {second} s");
        }
        assert_eq!((source.credential().renewals, heard), (1, 11));
        source.publish(Token::read("another", &Receipt::at(begin)).expect("a token"));
        assert_eq!(source.credential().renewals, 2);
    }
}
