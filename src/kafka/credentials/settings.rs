//! The properties of OAUTHBEARER by librdkafka's names.

use std::{net::IpAddr, path::PathBuf};

use reqwest::Url;

use super::{
    msk_iam::{self, MskIamSettings},
    secret::Secret,
};
use crate::kafka::properties::PropertyReader;

/// The properties that say where tokens come from. librdkafka itself gets none of them, because both clients use the
/// tokens of one source.
const KEYS: [&str; 12] = [
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.grant.type",
    CLIENT_ID,
    "sasl.oauthbearer.client.credentials.client.id",
    CLIENT_SECRET,
    "sasl.oauthbearer.client.credentials.client.secret",
    ENDPOINT,
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.extensions",
    FILE,
    "https.ca.location",
    "https.ca.pem",
];

const CLIENT_ID: &str = "sasl.oauthbearer.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.secret";
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const FILE: &str = "sasl.oauthbearer.token.file";

/// The names of all properties of the source of tokens.
pub(in crate::kafka) fn token_keys() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().chain(msk_iam::KEYS)
}

/// Whether a property belongs to the source of tokens.
pub(in crate::kafka) fn concerns_tokens(key: &str) -> bool {
    token_keys().any(|known| known == key)
}

/// Where the tokens come from, and what is sent to the broker beside them.
#[derive(Debug, Clone)]
pub(super) struct TokenSettings {
    pub(super) origin: Origin,
    /// SASL extensions (KIP-342), such as Confluent Cloud's `logicalCluster`.
    pub(super) extensions: Vec<(String, String)>,
}

/// Where the tokens come from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A file that another program renews, such as the token of a service account of Kubernetes.
    File(PathBuf),
    /// The token endpoint of an identity provider.
    Endpoint(ClientCredentials),
    /// Credentials of AWS, with which this program signs tokens for MSK IAM.
    MskIam(MskIamSettings),
}

/// A client of an identity provider, with the grant `client_credentials` (RFC 6749, section 4.4).
#[derive(Debug, Clone)]
pub(super) struct ClientCredentials {
    pub(super) endpoint: Url,
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) scope: Option<String>,
}

impl TokenSettings {
    /// Reads the properties of MSK IAM. `None` if one of them cannot be used; its error is left with the reader.
    pub(super) fn read_msk_iam(reader: &mut PropertyReader<'_>) -> Option<Self> {
        let settings = MskIamSettings::read(reader)?;
        Some(Self { origin: Origin::MskIam(settings), extensions: Vec::new() })
    }

    /// Reads the properties. `None` if one of them cannot be used; its error is left with the reader.
    pub(super) fn read(reader: &mut PropertyReader<'_>) -> Option<Self> {
        let extensions = extensions(reader);
        let origin = match reader.get(FILE) {
            Some(path) => Some(Origin::File(path.into())),
            None => client_credentials(reader).map(Origin::Endpoint),
        };
        Some(Self { origin: origin?, extensions: extensions? })
    }
}

/// Reads the client and the token endpoint, and reports everything that is missing.
fn client_credentials(reader: &mut PropertyReader<'_>) -> Option<ClientCredentials> {
    let before = reader.error_count();
    let method = "sasl.oauthbearer.method";
    if reader.get(method) != Some("oidc") {
        reader.error(method, format!("set it to oidc, or name a file with a token in {FILE}"));
        return None;
    }
    let grant = "sasl.oauthbearer.grant.type";
    if reader.get(grant).is_some_and(|grant| grant != "client_credentials") {
        reader.error(grant, "expected client_credentials");
    }
    let endpoint = endpoint(reader);
    let mut wanted = |key: &'static str, alias: &str| {
        let value = reader.get(key).or(reader.get(alias));
        if value.is_none() {
            reader.error(key, "is missing: the identity provider needs it");
        }
        value.unwrap_or_default().to_owned()
    };
    let id = wanted(CLIENT_ID, "sasl.oauthbearer.client.credentials.client.id");
    let secret = wanted(CLIENT_SECRET, "sasl.oauthbearer.client.credentials.client.secret");
    let scope = reader.get("sasl.oauthbearer.scope").map(str::to_owned);
    if reader.error_count() > before {
        return None;
    }
    Some(ClientCredentials { endpoint: endpoint?, id, secret: Secret::new(secret), scope })
}

/// The URL of the token endpoint. A secret must not travel in clear text, unless it stays on this machine.
fn endpoint(reader: &mut PropertyReader<'_>) -> Option<Url> {
    let Some(text) = reader.get(ENDPOINT) else {
        reader.error(ENDPOINT, "is missing: name the token endpoint of the identity provider");
        return None;
    };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        reader.error(ENDPOINT, "expected a URL such as https://idp.example/oauth2/token");
        return None;
    };
    if url.scheme() == "http" && !is_loopback(&url) {
        reader.error(ENDPOINT, "use https: the secret of the client would travel in clear text");
        return None;
    }
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The extensions, written as `NAME=VALUE` and separated by commas. `None` if one of them is malformed.
fn extensions(reader: &mut PropertyReader<'_>) -> Option<Vec<(String, String)>> {
    let key = "sasl.oauthbearer.extensions";
    let mut pairs = Vec::new();
    for pair in reader.get(key).unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // RFC 7628, section 3.1: a name has letters only, a value printable characters; `auth` is the token itself.
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()) && name != "auth";
        let printable = !value.is_empty() && value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !named || !printable {
            reader.error(key, "expected NAME=VALUE, several separated by commas; a name has letters only");
            return None;
        }
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Properties, Property};

    /// The settings, or the errors of these properties.
    fn read(pairs: &[(&str, &str)]) -> Result<TokenSettings, Vec<String>> {
        let property = |value: &str| Property { value: value.to_owned(), place: String::new() };
        let properties =
            Properties(pairs.iter().map(|(key, value)| ((*key).to_owned(), property(value))).collect());
        let mut reader = PropertyReader::new(&properties);
        let settings = TokenSettings::read(&mut reader);
        settings.ok_or_else(|| reader.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_property_of_the_client_that_is_missing_is_named() {
        let errors = read(&[("sasl.oauthbearer.method", "oidc")]).expect_err("three are missing");
        assert_eq!(errors.len(), 3, "{errors:?}");
        for key in [ENDPOINT, CLIENT_ID, CLIENT_SECRET] {
            assert!(
                errors.iter().any(|error| error.starts_with(&format!("{key}: is missing"))),
                "{errors:?}"
            );
        }
        let errors = read(&[]).expect_err("no source");
        assert!(errors[0].contains("set it to oidc, or name a file with a token"), "{errors:?}");
    }

    #[test]
    fn value_that_cannot_be_used_is_refused_without_the_secret() {
        let good = [
            ("sasl.oauthbearer.method", "oidc"),
            (ENDPOINT, "https://idp.example/token"),
            ("sasl.oauthbearer.client.credentials.client.id", "me"),
            ("sasl.oauthbearer.client.credentials.client.secret", "hush"),
        ];
        assert!(read(&good).is_ok(), "the aliases of librdkafka are understood");
        let table = [
            (ENDPOINT, "idp.example/token", "expected a URL"),
            (ENDPOINT, "http://idp.example/token", "use https"),
            ("sasl.oauthbearer.grant.type", "password", "expected client_credentials"),
            ("sasl.oauthbearer.extensions", "logical cluster=lkc-1", "a name has letters only"),
            ("sasl.oauthbearer.extensions", "auth=x", "a name has letters only"),
            ("sasl.oauthbearer.extensions", "logicalCluster", "expected NAME=VALUE"),
        ];
        for (key, value, words) in table {
            let errors = read(&[&good[..], &[(key, value)]].concat()).expect_err(words);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].contains(words) && !errors[0].contains("hush"), "{errors:?}");
        }
    }

    #[test]
    fn extensions_keep_their_order_and_the_file_of_a_token_needs_no_client() {
        let settings =
            read(&[(FILE, "/run/token"), ("sasl.oauthbearer.extensions", "logicalCluster=lkc-1, a=b=c")]);
        let settings = settings.expect("settings");
        let expected = [("logicalCluster", "lkc-1"), ("a", "b=c")];
        assert_eq!(settings.extensions, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(matches!(settings.origin, Origin::File(path) if path.as_os_str() == "/run/token"));
    }
}
