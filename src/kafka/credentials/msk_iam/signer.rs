//! The credentials of AWS, and the tokens that are signed with them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, sts::AssumeRoleProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use tokio::{sync::Mutex, task::JoinHandle, time::timeout};

use super::{
    super::{
        https::trusted,
        record::RenewalRecord,
        token::{Receipt, Token},
    },
    http::AwsHttp,
    settings::{MskIamSettings, Role},
    sign,
};
use crate::{
    config::secret::{redacted, remember_issued},
    kafka::{Error, Fault, Stage, properties::PropertyReader},
    text::{Chain, duration, plain},
};

/// The longest time for getting credentials. A role costs two requests, and AWS's library repeats those that fail.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The time for which credentials without an expiry are looked for in a log. They are remembered again with each token.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The difference of clocks from which AWS refuses signatures for that reason.
const MAX_DIFFERENCE: Duration = Duration::from_secs(300);

/// The signer of the tokens of one cluster.
#[derive(Debug)]
pub(in crate::kafka::credentials) struct MskIam {
    finder: Arc<Finder>,
    /// A search for credentials that has not ended. A program that hangs is not started a second time.
    searching: Mutex<Option<JoinHandle<Result<Credentials, Error>>>>,
}

/// Finds credentials of AWS.
#[derive(Debug)]
struct Finder {
    settings: MskIamSettings,
    http: AwsHttp,
}

impl MskIam {
    /// Prepares the signer. `None` if the HTTP client cannot be made; the error is left with the reader.
    pub(in crate::kafka::credentials) fn new(
        settings: MskIamSettings,
        reader: &mut PropertyReader<'_>,
    ) -> Option<Self> {
        let http = AwsHttp::new(trusted(reader)?);
        let http = http.map_err(|error| reader.error("sasl.mechanism", error.to_string())).ok()?;
        Some(Self { finder: Arc::new(Finder { settings, http }), searching: Mutex::default() })
    }

    /// Signs a token with the newest credentials. Notes in the record where AWS's clock stands.
    ///
    /// # Errors
    /// [`Fault::AwsCredentials`] if there are no credentials, or the role may not be assumed. [`Fault::Clock`] if AWS's clock
    /// differs so much that AWS takes no signature. [`Fault::Descriptors`] if this process has no file descriptor left.
    pub(in crate::kafka::credentials) async fn sign(&self, record: &RenewalRecord) -> Result<Token, Error> {
        let found = self.credentials().await;
        let Finder { settings, http } = &*self.finder;
        record.compared(http.clocks());
        let credentials = found?;
        let now = SystemTime::now();
        let left = credentials.expiry().map(|expiry| expiry.duration_since(now).unwrap_or_default());
        if left == Some(Duration::ZERO) {
            let key = plain(credentials.access_key_id());
            let words = format!("the credentials with the access key {key} have expired");
            return Err(self.finder.failed(Fault::AwsCredentials, words));
        }
        // The texts of credentials that are renewed are as secret as those of the configuration.
        let until = credentials.expiry().unwrap_or(now + REMEMBERED);
        let secrets = [Some(credentials.secret_access_key()), credentials.session_token()];
        secrets.into_iter().flatten().for_each(|secret| remember_issued(secret, until));
        let lifetime = left.map_or(sign::LIFETIME, |left| left.min(sign::LIFETIME));
        let failed = |words| self.finder.failed(Fault::AwsCredentials, words);
        let token = sign::token(&credentials, &settings.region, now).map_err(failed)?;
        let receipt = Receipt { at: now, lifetime: Some(lifetime), clocks: None };
        let token = Token::read(&token, &receipt).map_err(|why| failed(why.words))?;
        Ok(token.owned_by(credentials.access_key_id()))
    }

    /// The newest credentials.
    async fn credentials(&self) -> Result<Credentials, Error> {
        let mut searching = self.searching.lock().await;
        let search = searching.get_or_insert_with(|| {
            let finder = self.finder.clone();
            tokio::spawn(async move { finder.find().await })
        });
        let Ok(ended) = timeout(TIMEOUT, search).await else {
            let words = format!("no answer within {}", duration(TIMEOUT));
            return Err(self.finder.failed(Fault::AwsCredentials, words));
        };
        *searching = None;
        ended.unwrap_or_else(|error| Err(self.finder.failed(Fault::AwsCredentials, error.to_string())))
    }
}

impl Finder {
    /// The newest credentials. The chain begins again each time, so that files that have changed are read.
    async fn find(&self) -> Result<Credentials, Error> {
        let config = self.chain().await;
        let found = match &self.settings.role {
            None => {
                let provider = config.credentials_provider().ok_or_else(|| {
                    self.failed(Fault::AwsCredentials, "there is no provider of credentials".to_owned())
                })?;
                provider.provide_credentials().await
            }
            Some(Role { arn, session_name, external_id }) => {
                let mut provider =
                    AssumeRoleProvider::builder(arn).session_name(session_name).configure(&config);
                if let Some(id) = external_id {
                    provider = provider.external_id(id);
                }
                provider.build().await.provide_credentials().await
            }
        };
        found.map(without_empty_session).map_err(|error| self.refused(&error))
    }

    /// AWS's chain of credentials: environment, profile, web identity, container, EC2. With a profile by name, the profile
    /// alone, as in AWS's own programs.
    async fn chain(&self) -> SdkConfig {
        let region = Region::new(self.settings.sts_region.clone());
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .region(region.clone());
        let loader = match &self.settings.profile {
            Some(name) => {
                let config = ProviderConfig::default()
                    .with_behavior_version(Some(BehaviorVersion::latest()))
                    .with_http_client(self.http.clone())
                    .with_region(Some(region));
                let profile = ProfileFileCredentialsProvider::builder().profile_name(name).configure(&config);
                loader.profile_name(name).credentials_provider(profile.build())
            }
            None => loader,
        };
        loader.load().await
    }

    /// The error of credentials that were not given.
    fn refused(&self, error: &CredentialsError) -> Error {
        let fault = Fault::AwsCredentials.or_descriptors(error);
        let words = match (error, &self.settings.profile) {
            (CredentialsError::CredentialsNotLoaded(_), Some(profile)) => {
                format!("none are in the profile {}", plain(profile))
            }
            (CredentialsError::CredentialsNotLoaded(_), None) => {
                "none are in the environment, the profile, the web identity, the container or the instance"
                    .to_owned()
            }
            (CredentialsError::ProviderTimedOut(late), _) => {
                format!("no answer within {}", duration(late.timeout_duration()))
            }
            (error, _) => plain(&redacted(&Chain(error).to_string())),
        };
        let role = self.settings.role.as_ref().map(|role| format!("for the role {}: ", plain(&role.arn)));
        self.failed(fault, format!("{}{words}", role.unwrap_or_default()))
    }

    /// The error of credentials that there are not. A clock that differs too much is the reason, whatever AWS says.
    fn failed(&self, fault: Fault, words: String) -> Error {
        let clocks = self.http.clocks().filter(|clocks| clocks.is_larger_than(MAX_DIFFERENCE));
        let (fault, words) = match clocks {
            Some(clocks) if fault == Fault::AwsCredentials => {
                (Fault::Clock, format!("{words}, and {clocks}"))
            }
            _ => (fault, words),
        };
        Error::new(fault, "no credentials of AWS").at(Stage::Sasl).because(words)
    }
}

/// Credentials without a session token that is empty: a program or an endpoint means none by it, and an empty one would be
/// signed.
fn without_empty_session(credentials: Credentials) -> Credentials {
    if credentials.session_token() != Some("") {
        return credentials;
    }
    let mut builder = Credentials::builder()
        .access_key_id(credentials.access_key_id())
        .secret_access_key(credentials.secret_access_key())
        .provider_name("without a session token");
    builder.set_expiry(credentials.expiry());
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_session_token_is_none() {
        let session = |token: Option<&str>| {
            let expiry = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60));
            let credentials = Credentials::new("key", "hush", token.map(str::to_owned), expiry, "test");
            let credentials = without_empty_session(credentials);
            assert_eq!((credentials.access_key_id(), credentials.expiry()), ("key", expiry));
            credentials.session_token().map(str::to_owned)
        };
        assert_eq!(session(Some("")), None);
        assert_eq!(session(Some("token")).as_deref(), Some("token"));
        assert_eq!(session(None), None);
    }
}
