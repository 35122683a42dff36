//! The credentials of AWS, and the tokens that are signed with them.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use tokio::time::timeout;

use super::{
    super::{
        https::trusted,
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

/// The signer of the tokens of one cluster.
#[derive(Debug)]
pub(in crate::kafka::credentials) struct MskIam {
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
        Some(Self { settings, http })
    }

    /// Signs a token with the newest credentials.
    ///
    /// # Errors
    /// [`Fault::AwsCredentials`] if there are no credentials, or the role may not be assumed.
    pub(in crate::kafka::credentials) async fn sign(&self) -> Result<Token, Error> {
        let credentials = timeout(TIMEOUT, Box::pin(self.credentials()));
        let credentials = credentials.await.unwrap_or_else(|_| Err(silent()))?;
        let now = SystemTime::now();
        let left = credentials.expiry().map(|expiry| expiry.duration_since(now).unwrap_or_default());
        if left == Some(Duration::ZERO) {
            let key = plain(credentials.access_key_id());
            return Err(failed(format!("the credentials with the access key {key} have expired")));
        }
        // The texts of credentials that are renewed are as secret as those of the configuration.
        let until = credentials.expiry().unwrap_or(now + REMEMBERED);
        let secrets = [Some(credentials.secret_access_key()), credentials.session_token()];
        secrets.into_iter().flatten().for_each(|secret| remember_issued(secret, until));
        let lifetime = left.map_or(sign::LIFETIME, |left| left.min(sign::LIFETIME));
        let token = sign::token(&credentials, &self.settings.region, now).map_err(failed)?;
        let receipt = Receipt { at: now, lifetime: Some(lifetime), clocks: None };
        let token = Token::read(&token, &receipt).map_err(|why| failed(why.words))?;
        Ok(token.owned_by(credentials.access_key_id()))
    }

    /// The newest credentials. The chain begins again each time, so that files that have changed are read.
    async fn credentials(&self) -> Result<Credentials, Error> {
        let config = self.chain().await;
        let found = match &self.settings.role {
            None => {
                let provider = config.credentials_provider();
                provider
                    .ok_or_else(|| failed("there is no provider of credentials".to_owned()))?
                    .provide_credentials()
                    .await
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

    /// AWS's chain of credentials: environment, profile, web identity, container, EC2.
    async fn chain(&self) -> SdkConfig {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .region(Region::new(self.settings.sts_region.clone()));
        let loader = match &self.settings.profile {
            Some(profile) => loader.profile_name(profile),
            None => loader,
        };
        loader.load().await
    }

    /// The error of credentials that were not given.
    fn refused(&self, error: &CredentialsError) -> Error {
        let words = match error {
            CredentialsError::CredentialsNotLoaded(_) => {
                "none are in the environment, the profile, the web identity, the container or the instance"
                    .to_owned()
            }
            CredentialsError::ProviderTimedOut(late) => {
                format!("no answer within {}", duration(late.timeout_duration()))
            }
            error => plain(&redacted(&Chain(error).to_string())),
        };
        let role = self.settings.role.as_ref().map(|role| format!("for the role {}: ", plain(&role.arn)));
        failed(format!("{}{words}", role.unwrap_or_default()))
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

/// The error of a provider of credentials that does not answer.
fn silent() -> Error {
    failed(format!("no answer within {}", duration(TIMEOUT)))
}

fn failed(words: String) -> Error {
    Error::new(Fault::AwsCredentials, "no credentials of AWS").at(Stage::Sasl).because(words)
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
