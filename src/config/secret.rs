//! Which keys are secret, what is printed in place of a secret, and the texts that must not be in a log.
//!
//! The values of secret keys are remembered for the whole process when they are read, because the whole process shares
//! one log. Every log line goes through [`redacted`].

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::RwLock,
    time::SystemTime,
};

use crate::sync::{read, write};
use base64::{Engine, prelude::BASE64_STANDARD};

/// What is printed in place of a secret.
pub const REDACTED: &str = "***";

/// Whether a key's value must never be printed. The name of the key decides, so that unknown properties are covered.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let words = [
        "password",
        "passphrase",
        "secret",
        "token",
        "key.pem",
        "keystore.key",
        "sasl.oauthbearer.config",
        "jaas",
        "headers",
        "user.info",
    ];
    words.iter().any(|word| key.contains(word)) && !key.ends_with(".file") && !key.ends_with(".url")
}

/// A key's value as it may be printed: `***` for a secret, and a URL without its credentials.
pub fn shown(key: &str, value: &str) -> String {
    let key = key.to_lowercase();
    if is_secret(&key) {
        REDACTED.to_owned()
    } else if key.ends_with("endpoint") || key.ends_with("url") || has_user(value) {
        url(value)
    } else {
        value.to_owned()
    }
}

/// Whether a value looks like a URL with a user.
fn has_user(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

/// A URL without its user and without its query: both may be secret.
fn url(text: &str) -> String {
    let begin = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(begin);
    // The user ends at the last `@`: an `@` in a password should be encoded, but may not be.
    let text = match rest.rfind('@') {
        Some(at) => format!("{scheme}{REDACTED}{}", &rest[at..]),
        None => text.to_owned(),
    };
    match text.split_once(['?', '#']) {
        Some((text, _)) => format!("{text}?{REDACTED}"),
        None => text,
    }
}

/// The length in characters of the shortest secret that is looked for in a log. A shorter one would be found in words
/// that are no secrets.
const SHORTEST: usize = 6;

/// The length in characters of the shortest value of a header that is looked for in a log, if the header's name does
/// not show that the value is secret. Tenants, regions and versions are shorter.
const SHORTEST_VALUE: usize = 12;

/// The texts of the configuration that are replaced in a log.
static REMEMBERED: RwLock<Remembered> =
    RwLock::new(Remembered { values: BTreeMap::new(), longest_first: Vec::new() });

/// The number of values of one source that are looked for in a log. Sources are renewed for as long as the process runs, and
/// sessions that were opened with an older value have ended.
const VALUES: usize = 16;

/// The texts of the newest values of each source.
struct Remembered {
    /// The texts of each value by its source, the newest value at the end.
    values: BTreeMap<String, VecDeque<Vec<String>>>,
    /// All these texts. A secret may be a part of another one, so the longest is replaced first.
    longest_first: Vec<String>,
}

impl Remembered {
    /// Adds a value of a source, and forgets the oldest value of the source if there are many.
    fn add(&mut self, source: &str, texts: Vec<String>) {
        if texts.is_empty() {
            return;
        }
        let values = self.values.entry(source.to_owned()).or_default();
        values.retain(|known| *known != texts);
        values.push_back(texts);
        if values.len() > VALUES {
            values.pop_front();
        }
        self.longest_first = self.values.values().flatten().flatten().cloned().collect();
        self.longest_first.sort_by(|one, other| (other.len(), other).cmp(&(one.len(), one)));
        self.longest_first.dedup();
    }
}

/// Remembers the parts of a key's value that must never be in a log. The source is the file of the value, or the section
/// and the key that the value is written at. Returns the name of each part that is too short to be looked for, without its
/// value.
pub fn remember(source: &str, key: &str, value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let key = key.to_lowercase();
    let short = if key.ends_with("headers") {
        value.split(',').filter_map(|pair| read_header(pair, &mut texts)).collect()
    } else if is_secret(&key) {
        // A key in PEM has many lines.
        value.lines().for_each(|line| keep(line, SHORTEST, &mut texts));
        is_short(value).then(|| "it".to_owned()).into_iter().collect()
    } else if key.ends_with("endpoint") || key.ends_with("url") {
        read_url(value, &mut texts)
    } else {
        Vec::new()
    };
    write(&REMEMBERED).add(source, texts);
    short
}

/// Remembers a user and a password as basic authentication sends them.
pub fn remember_credentials(user: &str, password: &str) {
    let mut texts = Vec::new();
    keep(&BASE64_STANDARD.encode(format!("{user}:{password}")), SHORTEST, &mut texts);
    write(&REMEMBERED).add(&format!("the credentials of {user}"), texts);
}

/// The largest number of issued secrets that are looked for in a log at the same time. A hundred clusters at MSK have
/// about 500: for each cluster a token, a key and a session token, and the token before them that has not expired.
const MAX_ISSUED: usize = 1024;

/// The secrets that were issued to this process and have not expired.
static ISSUED: RwLock<Issued> = RwLock::new(Issued(VecDeque::new()));

/// Remembers a secret that was issued to this process, such as a token, until it expires.
pub fn remember_issued(secret: &str, until: SystemTime) {
    write(&ISSUED).add(secret, until, SystemTime::now());
}

/// Issued secrets with the times when they expire. The one that was issued last is at the end.
struct Issued(VecDeque<(String, SystemTime)>);

impl Issued {
    /// Adds a secret, and forgets those that have expired. A secret that is known stays once, with its new time.
    fn add(&mut self, secret: &str, until: SystemTime, now: SystemTime) {
        if secret.chars().count() < SHORTEST {
            return;
        }
        self.0.retain(|(known, until)| known != secret && *until > now);
        self.0.push_back((secret.to_owned(), until));
        if self.0.len() > MAX_ISSUED {
            self.0.pop_front();
        }
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(secret, _)| secret)
    }
}

/// The warning for a secret that is too short; `what` is a name that [`remember`] returned.
pub fn short(section: &str, key: &str, what: &str) -> String {
    format!(
        "[{section}] {key}: {what} has fewer than {SHORTEST} characters and is not replaced where a library logs it: choose a longer secret"
    )
}

fn is_short(text: &str) -> bool {
    (1..SHORTEST).contains(&text.trim().chars().count())
}

/// Whether the name of a header or of a parameter of a URL shows that the value is secret.
fn names_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["auth", "cookie", "key", "password", "secret", "token"].iter().any(|word| name.contains(word))
}

/// Adds a text as it is written and percent-decoded.
fn keep_both(text: &str, shortest: usize, texts: &mut Vec<String>) {
    [Some(text.to_owned()), decoded(text)].iter().flatten().for_each(|text| keep(text, shortest, texts));
}

/// Adds the value of a header. Returns its name if the value is too short to be looked for.
fn read_header(pair: &str, texts: &mut Vec<String>) -> Option<String> {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (name.trim(), value.trim());
    let is_secret = names_secret(name);
    keep_both(value, if is_secret { SHORTEST } else { SHORTEST_VALUE }, texts);
    (is_secret && is_short(value)).then(|| format!("the value of the header {name}"))
}

/// Adds the user, the password and the query of a URL. Returns the name of each part that is too short to be looked for.
fn read_url(url: &str, texts: &mut Vec<String>) -> Vec<String> {
    let mut short = Vec::new();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some((user, _)) = address.rsplit_once('@') {
        let password = user.split_once(':').map(|(_, password)| password);
        [Some(user), password].into_iter().flatten().for_each(|text| keep_both(text, SHORTEST, texts));
        keep(&basic(user), SHORTEST, texts);
        short.extend(password.filter(|password| is_short(password)).map(|_| "the password".to_owned()));
    }
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        keep_both(value, SHORTEST, texts);
        if names_secret(name) && is_short(value) {
            short.push(format!("the value of the parameter {name}"));
        }
    }
    short
}

/// The credentials of basic authentication for the part of a URL before the `@`: percent-encoded as in the URL, and a
/// password may be missing.
pub(super) fn basic(user: &str) -> String {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = |text: &str| decoded(text).unwrap_or_else(|| text.to_owned());
    BASE64_STANDARD.encode(format!("{}:{}", plain(name), plain(password)))
}

/// A text with each `%41` replaced by the byte that it stands for; `None` if the text is not percent-encoded UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(16 * high + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Adds a text, and the same text as it is written between quotes.
fn keep(text: &str, shortest: usize, texts: &mut Vec<String>) {
    let text = text.trim();
    if text.chars().count() < shortest {
        return;
    }
    let quoted = format!("{text:?}");
    texts.extend([text.to_owned(), quoted[1..quoted.len() - 1].to_owned()]);
}

/// A text with every remembered secret replaced by `***`.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for secret in read(&REMEMBERED).longest_first.iter().chain(read(&ISSUED).texts()) {
        if text.contains(secret) {
            text = Cow::Owned(text.replace(secret, REDACTED));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn secret_key_is_known_by_its_name() {
        let secret = [
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "ssl.keystore.key",
            "SASL.PASSWORD",
        ];
        assert!(secret.into_iter().all(is_secret));
        let open = [
            "sasl.username",
            "ssl.key.location",
            "ssl.keystore.location",
            "sasl.oauthbearer.assertion.private.key.file",
            "sasl.password.file",
            "sasl.oauthbearer.token.endpoint.url",
        ];
        assert!(!open.into_iter().any(is_secret));
    }

    #[test]
    fn issued_secret_is_replaced_in_a_log_unless_it_is_too_short() {
        let until = SystemTime::now() + Duration::from_secs(60);
        ["issued-token", "", "e"].iter().for_each(|secret| remember_issued(secret, until));
        assert_eq!(redacted("the issued-token expires"), "the *** expires");
    }

    #[test]
    fn issued_secret_is_kept_until_it_expires_however_often_another_one_is_issued_again() {
        let (now, until) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        let mut issued = Issued(VecDeque::new());
        issued.add("first-token", until, now);
        (0..2 * MAX_ISSUED).for_each(|_| issued.add("static-key", until, now));
        assert_eq!(issued.texts().collect::<Vec<_>>(), ["first-token", "static-key"]);
        issued.add("second-token", until + Duration::from_secs(60), until);
        assert_eq!(issued.texts().collect::<Vec<_>>(), ["second-token"], "the others have expired");
        (0..MAX_ISSUED).for_each(|number| issued.add(&format!("token-{number}"), until, now));
        assert_eq!(issued.texts().count(), MAX_ISSUED);
        assert!(issued.texts().all(|secret| secret != "second-token"), "it was issued first");
    }

    #[test]
    fn url_is_shown_without_its_user_and_its_query() {
        let table = [
            ("https://collector:4318/v1/metrics", "https://collector:4318/v1/metrics"),
            ("https://me:s3cret@collector:4318/v1", "https://***@collector:4318/v1"),
            ("https://me:s3/c?r@e#t@collector", "https://***@collector"),
            ("https://collector/v1?api-key=s3cret", "https://collector/v1?***"),
            ("https://me:s3cret@collector?key=s3cret#s3cret", "https://***@collector?***"),
            ("me:s3cret@collector", "***@collector"),
        ];
        for (url, expected) in table {
            assert_eq!(shown("otlp.traces.endpoint", url), expected);
        }
        assert_eq!(shown("http.proxy", "http://me:s3cret@proxy:3128"), "http://***@proxy:3128");
        assert_eq!(shown("sasl.password", "s3cret"), REDACTED);
        assert_eq!(shown("client.id", "a@b?c"), "a@b?c");
    }

    #[test]
    fn remembered_secret_is_replaced_in_each_of_its_spellings() {
        remember("a test", "sasl.password", "p\"ss w0rd");
        remember("a test", "otlp.headers", "api-key=k%3Dy-0123456789, x-scope=production, x-token=8charact");
        remember("a test", "traces.endpoint", "https://me:s%2Fcr3t@collector:4318/v1/traces?key=qu3ry-key");
        remember("a test", "client.id", "not-a-secret");
        let table = [
            ("failed: p\"ss w0rd", "failed: ***"),
            (r#"words="p\"ss w0rd""#, r#"words="***""#),
            ("api-key: k=y-0123456789", "api-key: ***"),
            ("k%3Dy-0123456789", "***"),
            ("x-token: 8charact", "x-token: ***"),
            ("http://me:s%2Fcr3t@collector:4318/?key=qu3ry-key", "http://***@collector:4318/?key=***"),
            ("Basic bWU6cy9jcjN0", "Basic ***"),
            ("s/cr3t", "***"),
            ("not-a-secret of production", "not-a-secret of production"),
        ];
        for (text, expected) in table {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn file_that_is_renewed_for_ever_has_its_newest_values_replaced_and_every_other_source_too() {
        let mut remembered = Remembered { values: BTreeMap::new(), longest_first: Vec::new() };
        remembered.add("[kafka] sasl.password", vec!["static-password".to_owned()]);
        let value = |number: usize| format!("password-{number:03}");
        (0..=VALUES).for_each(|number| remembered.add("/secrets/password", vec![value(number)]));
        remembered.add("/secrets/password", vec![value(VALUES)]);
        assert_eq!(remembered.longest_first.len(), VALUES + 1);
        for kept in ["static-password".to_owned(), value(1), value(VALUES)] {
            assert!(remembered.longest_first.contains(&kept), "{kept}");
        }
        assert_eq!(remembered.longest_first[0], "static-password", "the longest is replaced first");
    }

    #[test]
    fn secret_that_is_too_short_is_named_without_its_value() {
        let table: [(&str, &str, &[&str]); 9] = [
            ("sasl.password", "zq7", &["it"]),
            ("sasl.password", "zq7zq7", &[]),
            ("sasl.password", "", &[]),
            ("ssl.key.pem", "-----BEGIN\nzq7\n", &[]),
            ("sasl.username", "zq7", &[]),
            ("otlp.headers", "api-key=zq7, x-scope=eu", &["the value of the header api-key"]),
            ("endpoint", "https://me:zq7@host/v1", &["the password"]),
            ("endpoint", "https://host/v1?token=zq7&tenant=eu", &["the value of the parameter token"]),
            ("endpoint", "https://host:4318/v1/metrics", &[]),
        ];
        for (key, value, expected) in table {
            assert_eq!(remember("a table", key, value), expected, "{key}");
        }
        let words = short("kafka", "sasl.password", "it");
        assert!(words.starts_with("[kafka] sasl.password: it has fewer than 6 characters"), "{words}");
    }
}
