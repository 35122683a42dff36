//! An identity provider: `mock-oauth2-server`, which signs a token for every client that asks.

use std::{
    fs,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{
    kafka::{
        free_port,
        install::{find_java, jars, run_folder},
        process::{Restartable, Supervised},
        skip_without,
    },
    try_wait,
};

const VERSION: &str = "3.0.3";
const MAIN_CLASS: &str = "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt";

/// The audience that the broker expects, and the audience of a token if the request names neither audience nor scope.
pub(crate) const AUDIENCE: &str = "kafka";
/// A token for this scope has the right audience and expired long ago.
pub(crate) const EXPIRED_SCOPE: &str = "expired";

/// The grant with an assertion instead of the secret of a client.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long the server may take to start on a busy machine; 2 s are usual.
const START_LIMIT: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The server; dropping it ends it.
///
/// It takes every client with every secret. A token's subject is the client's id. Its audience is the form's field
/// `audience`, otherwise the field `scope`, otherwise [`AUDIENCE`].
pub(crate) struct OidcServer {
    port: u16,
    token_lifetime: Duration,
    folder: PathBuf,
    jars: PathBuf,
    process: Restartable,
}

impl OidcServer {
    /// Starts a server whose tokens live for an hour. `None` skips the test.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(HOUR)
    }

    /// Starts a server whose tokens live for this time, in whole seconds. `None` skips the test.
    pub(crate) fn start_with(token_lifetime: Duration) -> Option<Self> {
        static SERVER: AtomicU32 = AtomicU32::new(0);
        let jars = match installed() {
            Ok(jars) => jars,
            Err(why) => {
                skip_without("an identity provider", why, "install Java 17 and Maven");
                return None;
            }
        };
        let number = SERVER.fetch_add(1, Ordering::Relaxed);
        let folder = run_folder().join(format!("oidc-{number}"));
        fs::create_dir_all(&folder).unwrap();
        let server = Self {
            port: free_port(),
            token_lifetime,
            folder,
            jars: jars.clone(),
            process: Restartable::default(),
        };
        server.restart();
        Some(server)
    }

    /// `sasl.oauthbearer.token.endpoint.url`
    pub(crate) fn token_url(&self) -> String {
        format!("{}/token", self.issuer())
    }

    /// `sasl.oauthbearer.jwks.endpoint.url` of a broker.
    pub(crate) fn jwks_url(&self) -> String {
        format!("{}/jwks", self.issuer())
    }

    /// The claim `iss` of the tokens. It has the host of the request for the token: the broker refuses a token that was
    /// fetched from `localhost`.
    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}/default", self.port)
    }

    /// A token for a client, as a JWT.
    pub(crate) fn fetch_token(&self, client: &str, audience: &str) -> String {
        self.post_token(client, &[("audience", audience)])["access_token"].as_str().unwrap().to_owned()
    }

    /// The answer to a request for a token with the client credentials grant and these fields beside it.
    pub(crate) fn post_token(&self, client: &str, fields: &[(&str, &str)]) -> Value {
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{client}:{client}-secret")));
        let grant = [("grant_type", "client_credentials")];
        let mut answer = ureq::post(self.token_url())
            .header("authorization", authorization)
            .send_form(grant.iter().chain(fields).copied())
            .unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Freezes the server (SIGSTOP): it takes connections and does not answer.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Wakes a frozen server (SIGCONT).
    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// Ends the server (SIGKILL): its port refuses connections.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Starts the server again after `kill`, with the same address and keys; returns when it answers.
    pub(crate) fn restart(&self) {
        let flags = "-Xms16m -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto";
        let mut arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let class_path = format!("{}/*", self.jars.display());
        arguments.extend(["-cp", &class_path, MAIN_CLASS].map(str::to_owned));
        let environment = [
            ("SERVER_HOSTNAME", "127.0.0.1".to_owned()),
            ("SERVER_PORT", self.port.to_string()),
            ("JSON_CONFIG", configuration(self.token_lifetime).to_string()),
        ];
        let log = self.folder.join("oidc.log");
        self.process.put(Supervised::java_in(&environment, &arguments, &self.folder, &log));
        let alive = format!("http://127.0.0.1:{}/isalive", self.port);
        let answer = try_wait(START_LIMIT, || ureq::get(&alive).call().ok());
        let log = || fs::read_to_string(&log).unwrap_or_default();
        assert!(answer.is_some(), "the identity provider did not start within {START_LIMIT:?}:\n{}", log());
    }
}

/// The claims of a token, which is not verified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JWT has three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The folder with the server's jars, or why there is none.
fn installed() -> Result<&'static PathBuf, &'static str> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        find_java()?;
        jars(&format!("oidc-{VERSION}"), "oauth/pom.xml", &format!("oidc.version={VERSION}"))
    });
    found.as_ref().map_err(String::as_str)
}

/// `JSON_CONFIG`: the first mapping whose form field matches decides on the claims. The issuer is the first part of the URL's path.
fn configuration(token_lifetime: Duration) -> Value {
    let mapping = |field: &str, value: &str, claims: Value| {
        let mut claims = claims;
        claims["sub"] = json!("${client_id}");
        json!({ "requestParam": field, "match": value, "claims": claims })
    };
    json!({
        "httpServer": "NettyWrapper",
        "tokenCallbacks": [{
            "issuerId": "default",
            "tokenExpiry": token_lifetime.as_secs(),
            "requestMappings": [
                mapping("scope", EXPIRED_SCOPE, json!({ "aud": [AUDIENCE], "exp": 1_000_000_000 })),
                // The subject is that of the assertion.
                json!({ "requestParam": "grant_type", "match": JWT_BEARER, "claims": { "aud": [AUDIENCE] } }),
                mapping("audience", "*", json!({ "aud": ["${audience}"] })),
                mapping("scope", "*", json!({ "aud": ["${scope}"], "scope": "${scope}" })),
                mapping("grant_type", "*", json!({ "aud": [AUDIENCE] })),
            ],
        }],
    })
}
