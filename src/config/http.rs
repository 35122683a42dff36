//! `[http]`: the address of the service, its TLS, and the credentials that requests must have.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use super::{reader::Reader, secret_file::SecretFiles};

/// `[http]`
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The certificate for TLS; `None` serves without TLS.
    pub tls: Option<ServerTls>,
    /// The login that every path but the health checks asks for. Where a token is set too, one of them is enough. `None`
    /// asks for no login.
    pub basic: Option<Basic>,
    /// The token that every path but the health checks asks for. Where a login is set too, one of them is enough. `None`
    /// asks for no token.
    pub bearer: Option<Token>,
    /// The files of the password and of the token.
    pub secrets: SecretFiles,
    /// The largest number of connections at the same time, at least 1. A few more are answered on the health paths.
    pub connections: usize,
    /// Whether counters are exposed with the time since which they count.
    pub created_timestamps: bool,
    /// Whether `/mcp` gives the answers of the API to assistants.
    pub mcp: bool,
}

/// `[http] tls.certificate`, `tls.key` and `tls.client.ca`: PEM files.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerTls {
    /// The server's certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    /// The private key of the certificate, not encrypted.
    pub key: PathBuf,
    /// The CA certificates, one of which must have signed a client's certificate; `None` asks for no client certificate.
    pub client_ca: Option<PathBuf>,
}

/// `[http] bearer.token`, which is never printed.
#[derive(Clone, PartialEq)]
pub struct Token(String);

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Self(token.to_owned())
    }

    /// The token as a request carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// `[http] basic.username` and `basic.password`: the login of basic authentication.
#[derive(Clone, PartialEq)]
pub struct Basic {
    /// The name, which holds no colon.
    pub username: String,
    /// The password, which is never printed.
    pub password: String,
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Basic({})", self.username)
    }
}

impl Http {
    pub(super) fn read(mut http: Reader<'_>) -> Self {
        let tls = tls(&mut http);
        let basic = http.pair("basic.username", "basic.password");
        if basic.is_some_and(|(username, _)| username.contains(':')) {
            http.expected("basic.username", "a name without a colon");
        }
        Self {
            listen: listen(&mut http),
            tls,
            basic: basic.map(|(username, password)| Basic {
                username: username.to_owned(),
                password: password.to_owned(),
            }),
            bearer: bearer(&mut http),
            secrets: http.secret_files(),
            connections: connections(&mut http),
            created_timestamps: http.switch("created_timestamps"),
            mcp: http.switch("mcp"),
        }
    }

    /// The same settings with the password and the token that their files hold now.
    ///
    /// # Errors
    /// Why the password or the token cannot be used.
    pub fn reread(&self) -> Result<Self, String> {
        let read = |key: &str| {
            let secret = self.secrets.reread(key).transpose();
            secret.map_err(|reason| format!("[http] {key}.file: {reason}"))
        };
        let mut http = self.clone();
        if let (Some(basic), Some(password)) = (&mut http.basic, read("basic.password")?) {
            basic.password = password;
        }
        if let Some(token) = read("bearer.token")? {
            if !is_token(&token) {
                return Err(format!("[http] bearer.token.file: expected {TOKEN_CHARACTERS}"));
            }
            http.bearer = Some(Token(token));
        }
        Ok(http)
    }

    /// Whether a server with these settings can go on with the settings of `other` without a restart. Secrets in files may
    /// differ, because a running server reads these files again.
    pub(super) fn needs_no_restart_for(&self, other: &Self) -> bool {
        let without_secrets = |http: &Self| {
            let mut kept = http.clone();
            if http.secrets.get("basic.password").is_some() {
                kept.basic.iter_mut().for_each(|basic| basic.password.clear());
            }
            if http.secrets.get("bearer.token").is_some() {
                kept.bearer.iter_mut().for_each(|token| token.0.clear());
            }
            kept
        };
        without_secrets(self) == without_secrets(other)
    }
}

fn tls(http: &mut Reader<'_>) -> Option<ServerTls> {
    let pair = http.pair("tls.certificate", "tls.key");
    let client_ca = http.path("tls.client.ca");
    if client_ca.is_some() && pair.is_none() {
        http.problem(
            "tls.client.ca",
            "needs tls.certificate and tls.key beside it: client certificates are part of TLS",
        );
    }
    pair.map(|(certificate, key)| ServerTls { certificate: certificate.into(), key: key.into(), client_ca })
}

/// The characters that RFC 6750 allows in a token.
const TOKEN_CHARACTERS: &str = "letters, digits and -._~+/=";

fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte))
}

/// The token that a request may carry.
fn bearer(http: &mut Reader<'_>) -> Option<Token> {
    let token = http.optional("bearer.token")?;
    if !is_token(token) {
        http.expected("bearer.token", TOKEN_CHARACTERS);
    }
    Some(Token(token.to_owned()))
}

fn connections(http: &mut Reader<'_>) -> usize {
    let connections = http.text("connections").parse().ok().filter(|count| *count >= 1);
    connections.unwrap_or_else(|| {
        http.expected("connections", "a number from 1");
        1
    })
}

/// The address of a name or number and a port. A name such as `localhost` may have an address of each family: the first
/// address of IPv4 is what people mean.
fn listen(http: &mut Reader<'_>) -> SocketAddr {
    let found: Vec<_> = http.text("listen").to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first()).copied();
    chosen.unwrap_or_else(|| {
        http.expected("listen", "an address such as 127.0.0.1:8080");
        SocketAddr::from(([127, 0, 0, 1], 8080))
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{config, errors};

    #[test]
    fn localhost_is_an_address_of_ipv4() {
        assert_eq!(config(&[("http", "listen", "localhost:1")]).http.listen.to_string(), "127.0.0.1:1");
    }

    #[test]
    fn number_of_connections_below_one_is_an_error() {
        let wrong = errors(&[("http", "connections", "0")]);
        assert!(wrong.contains("[http] connections: expected a number from 1, found \"0\""), "{wrong}");
    }

    #[test]
    fn password_and_token_are_not_in_debug_output() {
        let set = [("http", "basic.username", "me"), ("http", "basic.password", "hush hush")];
        let basic = config(&set).http.basic.expect("a login");
        assert_eq!(format!("{basic:?}"), "Basic(me)");
        let token = config(&[("http", "bearer.token", "hush-hush")]).http.bearer.expect("a token");
        assert_eq!(format!("{token:?}"), "Token(***)");
    }
}
