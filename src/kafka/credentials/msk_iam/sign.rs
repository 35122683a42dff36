//! The token of MSK IAM: a presigned URL of the action `kafka-cluster:Connect`.
//!
//! AWS's own libraries make the same token (aws-msk-iam-sasl-signer). The broker computes the signature again.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Url;

/// The lifetime of a token, which is the longest that MSK takes.
pub(super) const LIFETIME: Duration = Duration::from_secs(900);

/// What identifies this program to MSK. The signature does not cover it.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// A token for the brokers of a region, which is signed at `now`. The host is the same in all partitions, as in AWS's own
/// libraries.
///
/// # Errors
/// Why the request cannot be signed, without a secret.
pub(super) fn token(credentials: &Credentials, region: &str, now: SystemTime) -> Result<String, String> {
    let mut url =
        Url::parse(&format!("https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect"))
            .map_err(|error| error.to_string())?;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::empty());
    let signed = request.and_then(|request| sign(request, &parameters)).map_err(|error| error.to_string())?;
    let (instructions, _) = signed.into_parts();
    url.query_pairs_mut().extend_pairs(instructions.params()).append_pair("User-Agent", USER_AGENT);
    Ok(BASE64_URL_SAFE_NO_PAD.encode(url.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_unix_seconds;

    #[test]
    fn token_is_a_presigned_url_with_the_user_agent_behind_the_signature() {
        let credentials =
            Credentials::new("AKIAEXAMPLE", "hush-secret", Some("session/to+ken=".to_owned()), None, "test");
        let now = from_unix_seconds(1_700_000_000).expect("an instant");
        let token = token(&credentials, "eu-west-1", now).expect("a token");
        let url = BASE64_URL_SAFE_NO_PAD.decode(&token).expect("base64url without padding");
        let url = Url::parse(&String::from_utf8(url).expect("UTF-8")).expect("a URL");
        assert_eq!(url.host_str(), Some("kafka.eu-west-1.amazonaws.com"));
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("Action"), Some("kafka-cluster:Connect"));
        assert_eq!(value("X-Amz-Algorithm"), Some("AWS4-HMAC-SHA256"));
        assert_eq!(
            value("X-Amz-Credential"),
            Some("AKIAEXAMPLE/20231114/eu-west-1/kafka-cluster/aws4_request")
        );
        assert_eq!(value("X-Amz-Date"), Some("20231114T221320Z"));
        assert_eq!(value("X-Amz-Expires"), Some("900"));
        assert_eq!(value("X-Amz-SignedHeaders"), Some("host"));
        assert_eq!(value("X-Amz-Security-Token"), Some("session/to+ken="));
        assert_eq!(value("X-Amz-Signature").map(str::len), Some(64));
        assert_eq!(pairs.last().map(|(key, _)| key.as_str()), Some("User-Agent"));
        assert!(!url.as_str().contains("hush-secret"));
    }
}
