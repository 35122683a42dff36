//! A service beside Kafka with an HTTP API, such as a Schema Registry: its nodes, the login and TLS.

use std::path::{Path, PathBuf};

use reqwest::Url;

use super::{
    error::Problem,
    http::{Basic, Token},
    kafka::{Properties, Property},
    reader::Reader,
    secret,
    secret_file::SecretFiles,
};

/// The largest number of nodes of one service.
const MOST_NODES: usize = 32;

const BASIC_SOURCE: &str = "basic.auth.credentials.source";
const USER_INFO: &str = "basic.auth.user.info";
const BEARER_SOURCE: &str = "bearer.auth.credentials.source";
const BEARER_TOKEN: &str = "bearer.auth.token";

/// The keys of OAuth, and the properties of Kafka's clients that mean the same.
const OAUTH: [(&str, &str); 5] = [
    ("bearer.auth.issuer.endpoint.url", "sasl.oauthbearer.token.endpoint.url"),
    ("bearer.auth.client.id", "sasl.oauthbearer.client.id"),
    ("bearer.auth.client.secret", "sasl.oauthbearer.client.secret"),
    ("bearer.auth.scope", "sasl.oauthbearer.scope"),
    ("ssl.ca.location", "https.ca.location"),
];

/// The keys whose values are sent as headers beside a token of OAuth, as Confluent Cloud wants them.
const HEADERS: [(&str, &str); 2] = [
    ("bearer.auth.logical.cluster", "target-sr-cluster"),
    ("bearer.auth.identity.pool.id", "Confluent-Identity-Pool-Id"),
];

/// A service beside Kafka, and how it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The addresses of the nodes, without a login, a query and a fragment. Empty if the service is not configured.
    pub nodes: Vec<Url>,
    /// The keys of the section as they are written, with `ssl.*` among them.
    pub properties: Properties,
    /// The files of the secrets of the section.
    secrets: SecretFiles,
    /// The login that the addresses of the nodes hold. `None` if they hold none.
    in_url: Option<Basic>,
}

/// What proves to a service who asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    /// Nothing.
    None,
    /// A name and a password.
    Basic(Basic),
    /// A token that is written in the configuration.
    Bearer(Token),
    /// A token of an identity provider, which these properties of Kafka's clients describe.
    OAuth(Properties),
}

impl Service {
    /// Reads the keys of a section. `url` is the key with the addresses of the nodes, and `example` is such an address.
    pub(super) fn read(section: &mut Reader<'_>, url: &str, example: &str) -> Self {
        let mut service = Self {
            nodes: Vec::new(),
            properties: section.properties(),
            secrets: section.secret_files(),
            in_url: None,
        };
        service.read_nodes(section, url, example);
        if !service.nodes.is_empty() {
            service.check_login(section, url);
        }
        service
    }

    /// Reads the addresses of the nodes, which are separated by commas.
    fn read_nodes(&mut self, section: &mut Reader<'_>, key: &str, example: &str) {
        let texts = section.text(key).split(',').map(str::trim).filter(|text| !text.is_empty());
        for text in texts {
            let source = format!("[{}] {key} {}", section.name(), self.nodes.len());
            _ = secret::remember(&source, "url", text);
            let is_good = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
            let Some(mut url) = Url::parse(text).ok().filter(is_good) else {
                section.problem(key, &format!("expected addresses such as {example}, separated by commas"));
                return;
            };
            if let (user, Some(password)) = (url.username(), url.password()) {
                let plain = |text: &str| secret::decoded(text).unwrap_or_else(|| text.to_owned());
                self.in_url = Some(Basic { username: plain(user), password: plain(password) });
            }
            // Fails for addresses without a host alone.
            _ = url.set_username("");
            _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            if !self.nodes.contains(&url) {
                self.nodes.push(url);
            }
        }
        if self.nodes.len() > MOST_NODES {
            section.problem(key, &format!("names more than {MOST_NODES} nodes"));
        }
    }

    /// Reports a login that is not complete, and one that would not be used.
    fn check_login(&self, section: &mut Reader<'_>, url: &str) {
        let basic = section.text(BASIC_SOURCE);
        let bearer = section.text(BEARER_SOURCE);
        if !["", "USER_INFO", "URL"].contains(&basic) {
            section.expected(BASIC_SOURCE, "USER_INFO or URL, or no value");
        }
        if !["", "STATIC_TOKEN", "OAUTHBEARER"].contains(&bearer) {
            section.expected(BEARER_SOURCE, "STATIC_TOKEN or OAUTHBEARER, or no value");
        }
        match (basic, self.in_url.is_some()) {
            ("URL", false) => section.problem(BASIC_SOURCE, &format!("{url} holds no name and password")),
            ("", true) => section.problem(url, &format!("holds a login: set {BASIC_SOURCE} = URL")),
            _ => {}
        }
        let user_info = section.optional(USER_INFO);
        match user_info {
            None if basic == "USER_INFO" => section.problem(USER_INFO, "is missing: expected NAME:PASSWORD"),
            Some(text) if !text.contains(':') => section.problem(USER_INFO, "expected NAME:PASSWORD"),
            _ => {}
        }
        if bearer == "STATIC_TOKEN" && section.optional(BEARER_TOKEN).is_none() {
            section.problem(BEARER_TOKEN, "is missing: it is the token that requests carry");
        }
        let has_basic = user_info.is_some() || basic == "URL";
        if has_basic && (section.optional(BEARER_TOKEN).is_some() || bearer == "OAUTHBEARER") {
            section.problem(
                BEARER_SOURCE,
                "requests carry a name and a password or a token: remove one of them",
            );
        }
        if let Login::Basic(Basic { username, password }) = self.login() {
            _ = secret::remember(&format!("[{}] {url} password", section.name()), "password", &password);
            secret::remember_credentials(&username, &password);
        }
    }

    /// What requests carry.
    pub fn login(&self) -> Login {
        let get = |key: &str| self.properties.get(key).filter(|value| !value.is_empty());
        if get(BEARER_SOURCE) == Some("OAUTHBEARER") {
            return Login::OAuth(self.oauth());
        }
        if let Some(token) = get(BEARER_TOKEN) {
            return Login::Bearer(Token::new(token.trim()));
        }
        let basic = get(USER_INFO).and_then(|text| text.split_once(':')).map(|(username, password)| Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        });
        basic.or_else(|| self.in_url.clone()).map_or(Login::None, Login::Basic)
    }

    /// The keys of OAuth as properties of Kafka's clients.
    fn oauth(&self) -> Properties {
        let method = Property { value: "oidc".to_owned(), place: String::new() };
        let renamed = OAUTH.iter().filter_map(|(own, kafka)| {
            let property = self.properties.0.get(*own)?.clone();
            Some(((*kafka).to_owned(), property))
        });
        Properties(renamed.chain([("sasl.oauthbearer.method".to_owned(), method)]).collect())
    }

    /// The key of the section for a property of Kafka's clients, for errors.
    pub fn key_of(property: &str) -> &str {
        OAUTH.iter().find(|(_, kafka)| *kafka == property).map_or(property, |(own, _)| own)
    }

    /// Names and values of further headers of every request.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        HEADERS.iter().filter_map(|(key, header)| {
            let value = self.properties.get(key).filter(|value| !value.is_empty())?;
            Some((*header, value))
        })
    }

    /// The files that the settings name: certificates, keys and secrets.
    pub fn paths(&self) -> Vec<PathBuf> {
        let located = ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location"];
        let located =
            located.iter().filter_map(|key| self.properties.get(key)).filter(|path| !path.is_empty());
        located.map(PathBuf::from).chain(self.secrets.paths().map(Path::to_owned)).collect()
    }

    /// The same service with the secrets that their files hold now.
    ///
    /// # Errors
    /// Why a secret cannot be used.
    pub fn reread(&self) -> Result<Self, String> {
        let words = |problems: Vec<Problem>| {
            let words: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            words.join("; ")
        };
        let properties = self.secrets.reread_all(&self.properties).map_err(words)?;
        Ok(Self { properties, ..self.clone() })
    }

    /// Leaves out the secrets that are read from files, because a running client reads these again.
    pub(super) fn without_file_secrets(mut self) -> Self {
        let secrets = &self.secrets;
        self.properties.0.retain(|key, _| secrets.get(key).is_none());
        self
    }
}
