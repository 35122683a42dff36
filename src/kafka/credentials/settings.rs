//! The properties of OAUTHBEARER by librdkafka's names.

use std::{net::IpAddr, path::PathBuf};

use reqwest::Url;

use super::{
    assertion::{self, Assertion},
    msk_iam::{self, MskIamSettings},
    secret::Secret,
};
use crate::kafka::properties::PropertyReader;

/// The properties that say where tokens come from, beside those of an assertion. librdkafka itself gets none of them,
/// because both clients use the tokens of one source.
const KEYS: [&str; 14] = [
    METHOD,
    GRANT,
    CLIENT_ID,
    CLIENT_ID_ALIAS,
    CLIENT_SECRET,
    CLIENT_SECRET_ALIAS,
    ENDPOINT,
    SCOPE,
    "sasl.oauthbearer.extensions",
    FILE,
    MACHINE,
    CONFIG,
    "https.ca.location",
    "https.ca.pem",
];

/// The properties of a client that requests tokens.
const OF_A_CLIENT: [&str; 6] = [GRANT, SCOPE, CLIENT_ID, CLIENT_ID_ALIAS, CLIENT_SECRET, CLIENT_SECRET_ALIAS];

const METHOD: &str = "sasl.oauthbearer.method";
const GRANT: &str = "sasl.oauthbearer.grant.type";
const CLIENT_ID: &str = "sasl.oauthbearer.client.id";
const CLIENT_ID_ALIAS: &str = "sasl.oauthbearer.client.credentials.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.secret";
const CLIENT_SECRET_ALIAS: &str = "sasl.oauthbearer.client.credentials.client.secret";
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const SCOPE: &str = "sasl.oauthbearer.scope";
const FILE: &str = "sasl.oauthbearer.token.file";
const MACHINE: &str = "sasl.oauthbearer.metadata.authentication.type";
const CONFIG: &str = "sasl.oauthbearer.config";

/// The grant of RFC 7523.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The address at which virtual machines of Azure ask for tokens, as in librdkafka.
const AZURE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// The names of all properties of the source of tokens.
pub(in crate::kafka) fn token_keys() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().chain(assertion::KEYS).chain(msk_iam::KEYS)
}

/// Whether a property belongs to the source of tokens.
pub(in crate::kafka) fn concerns_tokens(key: &str) -> bool {
    token_keys().any(|known| known == key)
}

/// Where the tokens come from, and what is sent to the broker beside them.
#[derive(Debug)]
pub(super) struct TokenSettings {
    pub(super) origin: Origin,
    /// SASL extensions (KIP-342), such as Confluent Cloud's `logicalCluster`.
    pub(super) extensions: Vec<(String, String)>,
}

/// Where the tokens come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A file that another program renews, such as the token of a service account of Kubernetes.
    File(PathBuf),
    /// The token endpoint of an identity provider.
    Endpoint(Box<TokenRequest>),
    /// Credentials of AWS, with which this program signs tokens for MSK IAM.
    MskIam(MskIamSettings),
}

/// What is sent to the token endpoint of an identity provider.
#[derive(Debug)]
pub(super) struct TokenRequest {
    pub(super) endpoint: Url,
    pub(super) scope: Option<String>,
    pub(super) proof: Proof,
}

/// What proves to the identity provider who asks.
#[derive(Debug)]
pub(super) enum Proof {
    /// The secret of a client, with the grant `client_credentials` (RFC 6749, section 4.4).
    Secret { id: String, secret: Secret },
    /// A signed statement, with the grant of RFC 7523, section 2.1. librdkafka does not authenticate the client beside it, but
    /// some identity providers want that.
    Assertion { assertion: Assertion, id: Option<String>, secret: Option<Secret> },
    /// The machine: its managed identity in Azure.
    Machine,
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
            Some(path) => {
                let before = reader.error_count();
                let method = reader.get(METHOD).filter(|method| *method != "default").map(|_| METHOD);
                let unused = method.into_iter().chain([ENDPOINT, MACHINE, CONFIG]);
                let unused = unused.chain(OF_A_CLIENT).chain(assertion::KEYS);
                reader.refuse(unused, &format!("remove it: {FILE} names a file with a token"));
                (reader.error_count() == before).then(|| Origin::File(path.into()))
            }
            None => token_request(reader).map(|request| Origin::Endpoint(Box::new(request))),
        };
        Some(Self { origin: origin?, extensions: extensions? })
    }
}

/// Reads the token endpoint and what proves who asks, and reports everything that is missing.
fn token_request(reader: &mut PropertyReader<'_>) -> Option<TokenRequest> {
    let before = reader.error_count();
    if reader.get(METHOD) != Some("oidc") {
        reader.error(METHOD, format!("set it to oidc, or name a file with a token in {FILE}"));
        return None;
    }
    match reader.get(MACHINE).unwrap_or("none") {
        "azure_imds" => return of_azure(reader),
        "none" => {}
        _ => reader.error(MACHINE, "expected none or azure_imds"),
    }
    if reader.get(CONFIG).is_some() {
        reader.error(CONFIG, format!("is used with {MACHINE} = azure_imds alone: remove it"));
    }
    let endpoint = endpoint(reader);
    let proof = match reader.get(GRANT).unwrap_or("client_credentials") {
        "client_credentials" => secret(reader),
        JWT_BEARER => {
            let (id, secret) = client(reader);
            if id.is_none() {
                reader.refuse(
                    [CLIENT_SECRET, CLIENT_SECRET_ALIAS],
                    &format!("needs {CLIENT_ID}: set it, or remove this key"),
                );
            }
            Assertion::read(reader).map(|assertion| Proof::Assertion {
                assertion,
                id: id.map(str::to_owned),
                secret: secret.map(Secret::new),
            })
        }
        _ => {
            reader.error(GRANT, format!("expected client_credentials or {JWT_BEARER}"));
            None
        }
    };
    let scope = reader.get(SCOPE).map(str::to_owned);
    if reader.error_count() > before {
        return None;
    }
    Some(TokenRequest { endpoint: endpoint?, scope, proof: proof? })
}

/// Reads the id and the secret of the client, and reports what is missing.
fn secret(reader: &mut PropertyReader<'_>) -> Option<Proof> {
    let message = format!("is used with {GRANT} = {JWT_BEARER} alone: set it, or remove this key");
    reader.refuse(assertion::KEYS, &message);
    let (id, secret) = client(reader);
    for (key, value) in [(CLIENT_ID, id), (CLIENT_SECRET, secret)] {
        if value.is_none() {
            reader.error(key, "is missing: the identity provider needs it");
        }
    }
    Some(Proof::Secret { id: id?.to_owned(), secret: Secret::new(secret?) })
}

/// The id and the secret of the client, each as far as it is set.
fn client<'a>(reader: &PropertyReader<'a>) -> (Option<&'a str>, Option<&'a str>) {
    let id = reader.get(CLIENT_ID).or(reader.get(CLIENT_ID_ALIAS));
    let secret = reader.get(CLIENT_SECRET).or(reader.get(CLIENT_SECRET_ALIAS));
    (id, secret)
}

/// Reads the request to Azure's Instance Metadata Service (IMDS), whose query is the part `query` of the configuration.
fn of_azure(reader: &mut PropertyReader<'_>) -> Option<TokenRequest> {
    let before = reader.error_count();
    let unused = OF_A_CLIENT.into_iter().chain(assertion::KEYS);
    reader.refuse(unused, &format!("remove it: {MACHINE} = azure_imds uses the identity of the machine"));
    let parts = reader.get(CONFIG).unwrap_or_default().split(',');
    let query = parts.filter_map(|part| part.trim().strip_prefix("query=")).next();
    if query.is_none() && reader.get(ENDPOINT).is_none() {
        let example = "query=api-version=2018-02-01&resource=api://ID";
        reader.error(CONFIG, format!("is missing: name the audience of the tokens, such as {example}"));
        return None;
    }
    let mut url = match reader.get(ENDPOINT) {
        Some(_) => endpoint(reader)?,
        None => Url::parse(AZURE).ok()?,
    };
    if let Some(query) = query {
        let parts = [url.query(), Some(query)].into_iter().flatten().filter(|part| !part.is_empty());
        let joined = parts.collect::<Vec<_>>().join("&");
        url.set_query(Some(&joined));
    }
    let request = TokenRequest { endpoint: url, scope: None, proof: Proof::Machine };
    (reader.error_count() == before).then_some(request)
}

/// The URL of the token endpoint. A secret or a token must not travel in clear text, unless it stays on this machine or its
/// host: no router forwards packets for a link-local address.
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
    if url.scheme() == "http" && !is_local(&url) {
        reader.error(ENDPOINT, "use https: the secret of the client would travel in clear text");
        return None;
    }
    Some(url)
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(is_local)
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
            (GRANT, "password", "expected client_credentials"),
            (CONFIG, "query=a", "azure_imds alone: remove it"),
            (MACHINE, "gcp", "expected none or azure_imds"),
            ("sasl.oauthbearer.assertion.claim.aud", "idp", "jwt-bearer alone: set it, or remove this key"),
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
    fn machine_of_azure_needs_no_client_and_asks_for_the_audience_of_its_query() {
        let azure = [("sasl.oauthbearer.method", "oidc"), (MACHINE, "azure_imds")];
        let request = |pairs: &[(&str, &str)]| {
            let settings = read(&[&azure[..], pairs].concat())?;
            let Origin::Endpoint(request) = settings.origin else { panic!("an endpoint") };
            assert!(matches!(request.proof, Proof::Machine) && request.scope.is_none());
            Ok::<_, Vec<String>>(request.endpoint.to_string())
        };
        let query = "api-version=2018-02-01&resource=api://7";
        let config = format!("other=1, query={query}");
        assert_eq!(request(&[(CONFIG, &config)]), Ok(format!("{AZURE}?{query}")));
        let own = (ENDPOINT, "http://127.0.0.1:1/token?a=b");
        assert_eq!(request(&[own, (CONFIG, &config)]), Ok(format!("{}&{query}", own.1)));
        assert_eq!(request(&[own]), Ok(own.1.to_owned()));
        let errors = request(&[]).expect_err("no audience");
        assert!(
            errors.concat().contains("sasl.oauthbearer.config: is missing: name the audience"),
            "{errors:?}"
        );
    }

    #[test]
    fn property_that_another_one_makes_useless_is_refused() {
        let azure = [("sasl.oauthbearer.method", "oidc"), (MACHINE, "azure_imds"), (CONFIG, "query=a=b")];
        let grant = [
            ("sasl.oauthbearer.method", "oidc"),
            (ENDPOINT, "https://idp.example/token"),
            (GRANT, JWT_BEARER),
            ("sasl.oauthbearer.assertion.file", "/run/assertion"),
        ];
        let of_file = "remove it: sasl.oauthbearer.token.file names a file";
        let of_azure = "azure_imds uses the identity of the machine";
        let table: [(&[(&str, &str)], _, _, _); 8] = [
            (&[(FILE, "/run/token")], METHOD, "oidc", of_file),
            (&[(FILE, "/run/token")], ENDPOINT, "https://idp.example/token", of_file),
            (&[(FILE, "/run/token")], CLIENT_SECRET, "hush", of_file),
            (&azure, SCOPE, "kafka", of_azure),
            (&azure, CLIENT_ID_ALIAS, "me", of_azure),
            (&azure, GRANT, JWT_BEARER, of_azure),
            (&grant, CLIENT_SECRET, "hush", "needs sasl.oauthbearer.client.id"),
            (&grant, CLIENT_SECRET_ALIAS, "hush", "needs sasl.oauthbearer.client.id"),
        ];
        for (pairs, key, value, words) in table {
            assert!(read(pairs).is_ok(), "{pairs:?}");
            let errors = read(&[pairs, &[(key, value)]].concat()).expect_err(words);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].starts_with(key) && errors[0].contains(words), "{errors:?}");
        }
    }

    #[test]
    fn grant_with_an_assertion_needs_a_key_and_no_secret() {
        let pairs = [
            ("sasl.oauthbearer.method", "oidc"),
            (ENDPOINT, "https://idp.example/token"),
            (GRANT, JWT_BEARER),
        ];
        let errors = read(&pairs).expect_err("no key");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("assertion.private.key.file: is missing"), "{errors:?}");
        let file = ("sasl.oauthbearer.assertion.file", "/run/assertion");
        assert!(read(&[&pairs[..], &[file]].concat()).is_ok());
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
