//! An access token of OAuth 2.0.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{clocks::ClockDifference, secret::Secret};
use crate::{clock::from_unix_seconds, kafka::Fault};

/// The longest token that is accepted, in bytes. Tokens with many groups of a user have some kilobytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// The lifetime of a token without a known expiry.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(300);

/// The longest lifetime that is believed. An identity provider whose answer is wrong is asked again within a day.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// An access token of OAuth 2.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) struct Token {
    value: Secret,
    subject: Option<String>,
    /// The audience, which is the claim `aud`. Several are separated by commas.
    audience: Option<String>,
    received: SystemTime,
    expires: Option<SystemTime>,
}

/// How a token was received.
pub(super) struct Receipt {
    pub(super) at: SystemTime,
    /// The lifetime that the identity provider gave the token. `None` if it gave none.
    pub(super) lifetime: Option<Duration>,
    /// Where the clock of the identity provider stands. `None` if that is not known.
    pub(super) clocks: Option<ClockDifference>,
}

impl Receipt {
    /// The receipt of a token of which nothing is known but its text.
    pub(super) fn at(at: SystemTime) -> Self {
        Self { at, lifetime: None, clocks: None }
    }
}

/// Why a token cannot be used. The words do not hold the token.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Whether the reason is that clocks differ.
    pub(super) is_clock: bool,
    pub(super) words: String,
}

impl From<&'static str> for Unusable {
    fn from(words: &'static str) -> Self {
        Self { is_clock: false, words: words.to_owned() }
    }
}

/// The claims of a token that is a JSON Web Token (RFC 7519, section 4.1). A claim of another type is absent.
#[derive(Default)]
struct Claims {
    sub: Option<String>,
    aud: Option<String>,
    exp: Option<SystemTime>,
    iat: Option<SystemTime>,
}

impl Token {
    /// Reads a token. The claim `exp` of the token wins over the lifetime that the identity provider gave it, unless the
    /// clocks are known to differ: a lifetime needs no clock.
    ///
    /// # Errors
    /// What is wrong with the token.
    pub(super) fn read(text: &str, receipt: &Receipt) -> Result<Self, Unusable> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the token is empty".into());
        }
        if text.len() > LONGEST {
            return Err("the token is longer than 64 KiB".into());
        }
        // RFC 6750, section 2.1.
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
            return Err("the token has a space, a line break or another character that no token has".into());
        }
        let Claims { sub, aud, exp, iat } = claims(text).unwrap_or_default();
        let received = receipt.at;
        let by_token = || iat.map(|issued| ClockDifference::of(issued, issued.min(received), received));
        let differs = receipt.clocks.or_else(by_token).filter(|clocks| clocks.is_large());
        let given = receipt.lifetime.and_then(|lifetime| received.checked_add(lifetime));
        let expires = if differs.is_some() { given.or(exp) } else { exp.or(given) };
        if expires.is_some_and(|expires| expires <= received) {
            return Err(match differs {
                Some(clocks) => {
                    let words = format!("the token has expired by the clock of this machine, but {clocks}");
                    Unusable { is_clock: true, words }
                }
                None => "the token has expired already: check the clocks of this machine and of the identity provider"
                    .into(),
            });
        }
        let subject = sub.filter(|sub| !sub.is_empty());
        Ok(Self { value: Secret::new(text), subject, audience: aud, received, expires })
    }

    /// The same token with this owner, which its text does not name.
    pub(super) fn owned_by(self, owner: &str) -> Self {
        Self { subject: Some(owner.to_owned()), ..self }
    }

    pub(in crate::kafka) fn reveal(&self) -> &str {
        self.value.reveal()
    }

    /// Whether the other token has the same text.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.value == other.value
    }

    /// The owner of the token: the claim `sub`, or the access key of AWS. `None` if the token names none.
    pub(in crate::kafka) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The audience of the token, which is the claim `aud`. Several are separated by commas. `None` if the token is no
    /// JSON Web Token or does not name one.
    pub(in crate::kafka) fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// The fault of a broker that refuses the token with these words. A broker that calls a token expired or not yet valid, which
    /// is valid by the clock of this machine, has another clock. What is said about credentials within the token is no such words.
    pub(in crate::kafka) fn fault_of_refusal(&self, words: &str, now: SystemTime) -> Fault {
        let words = words.to_lowercase();
        let is_about_time = ["expired", "not yet"].iter().any(|word| words.contains(word));
        if words.contains("audience") {
            Fault::Audience
        } else if is_about_time && !words.contains("security token") && self.usable_until() > now {
            Fault::Clock
        } else {
            Fault::Authentication
        }
    }

    /// When the token expires. `None` if neither the token nor the identity provider says it.
    pub(super) fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// When the token is no longer used. A token with an unknown expiry is used for five minutes.
    pub(in crate::kafka) fn usable_until(&self) -> SystemTime {
        self.expires.unwrap_or(self.received + UNKNOWN_LIFETIME)
    }

    /// The time from the receipt of the token until it should be renewed: a share of its lifetime.
    pub(super) fn renewal(&self, share: f64) -> Duration {
        let lifetime = self.usable_until().duration_since(self.received).unwrap_or_default();
        lifetime.min(LONGEST_LIFETIME).mul_f64(share)
    }
}

/// The claims of a JSON Web Token. `None` if the text is none.
fn claims(text: &str) -> Option<Claims> {
    let mut parts = text.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let audiences =
        claims["aud"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    Some(Claims {
        sub: text(&claims["sub"]),
        aud: text(&claims["aud"]).or(audiences.map(|all| all.join(", "))).filter(|aud| !aud.is_empty()),
        exp: instant(&claims["exp"]),
        iat: instant(&claims["iat"]),
    })
}

/// A number of seconds since 1970 as an instant. `None` for anything else.
fn instant(value: &Value) -> Option<SystemTime> {
    #[expect(clippy::cast_possible_truncation, reason = "the whole seconds are wanted; a float saturates")]
    number(value).and_then(|seconds| from_unix_seconds(seconds as i64))
}

/// A number, or a text that is one: some identity providers write numbers as texts. `None` for anything else.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number| number.is_finite())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::from_unix_ms;

    /// An unsigned token with these claims.
    pub(in crate::kafka) fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    fn at(seconds: i64) -> SystemTime {
        from_unix_ms(seconds * 1000).expect("an instant")
    }

    fn receipt(lifetime: Option<u64>, clocks: Option<ClockDifference>) -> Receipt {
        Receipt { at: at(1000), lifetime: lifetime.map(Duration::from_secs), clocks }
    }

    #[test]
    fn claims_of_a_token_name_its_owner_its_audience_and_its_expiry() {
        let claims = r#"{"sub":"me","aud":["a","b"],"exp":1100.9}"#;
        let token = Token::read(&jwt(claims), &receipt(Some(9), None)).expect("a token");
        assert_eq!((token.subject(), token.audience()), (Some("me"), Some("a, b")));
        assert_eq!((token.expires(), token.usable_until()), (Some(at(1100)), at(1100)));
        assert_eq!(token.renewal(0.8), Duration::from_secs(80));
    }

    #[test]
    fn opaque_token_expires_after_the_lifetime_of_the_answer_or_is_renewed_after_five_minutes() {
        let token = Token::read("opaque\n", &receipt(Some(60), None)).expect("a token");
        assert_eq!((token.subject(), token.usable_until()), (None, at(1060)));
        let unknown = Token::read("opaque", &receipt(None, None)).expect("a token");
        assert_eq!((unknown.expires(), unknown.usable_until()), (None, at(1300)));
        let numeric = Token::read(&jwt(r#"{"sub":7,"exp":"1060"}"#), &receipt(None, None)).expect("a token");
        assert_eq!((numeric.subject(), numeric.usable_until()), (None, at(1060)));
        assert_eq!(format!("{token:?}").matches("opaque").count(), 0);
    }

    #[test]
    fn lifetime_wins_over_the_expiry_while_the_clocks_differ() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let (ahead, behind) = (ClockDifference::Ahead(minutes(10)), ClockDifference::Behind(minutes(10)));
        let usable_until = |claims: &str, receipt: Receipt| {
            Token::read(&jwt(claims), &receipt).map(|token| token.usable_until()).map_err(|why| why.is_clock)
        };
        let (late, early) = (r#"{"exp":1660}"#, r#"{"exp":460}"#);
        assert_eq!(usable_until(late, receipt(Some(60), Some(ahead))), Ok(at(1060)));
        assert_eq!(usable_until(early, receipt(Some(60), Some(behind))), Ok(at(1060)));
        assert_eq!(usable_until(early, receipt(None, Some(behind))), Err(true), "the clock is the reason");
        let close = ClockDifference::Behind(minutes(1));
        assert_eq!(usable_until(early, receipt(Some(60), Some(close))), Err(false), "the clocks agree");
        // A token that was issued in the future shows that the clocks differ. An old one may come from a cache.
        assert_eq!(usable_until(r#"{"iat":1061,"exp":1960}"#, receipt(Some(60), None)), Ok(at(1060)));
        assert_eq!(usable_until(r#"{"iat":400,"exp":460}"#, receipt(None, None)), Err(false));
    }

    #[test]
    fn token_that_is_valid_here_and_expired_at_the_broker_shows_that_the_clocks_differ() {
        let token = Token::read("opaque", &receipt(Some(60), None)).expect("a token");
        let table = [
            ("invalid_token: the token expired 700 s ago", 1010, Fault::Clock),
            ("Signature not yet current", 1010, Fault::Clock),
            ("the token expired", 1070, Fault::Authentication),
            ("The security token included in the request is expired", 1010, Fault::Authentication),
            ("Invalid Audience", 1010, Fault::Audience),
            ("invalid_token", 1010, Fault::Authentication),
        ];
        for (words, now, fault) in table {
            assert_eq!(token.fault_of_refusal(words, at(now)), fault, "{words}");
        }
    }

    #[test]
    fn token_that_cannot_be_used_is_refused_without_its_text() {
        let long = "x".repeat(LONGEST + 1);
        let expired = jwt(r#"{"sub":"me","exp":1000}"#);
        for (text, words) in [
            (" \n", "is empty"),
            (long.as_str(), "longer than 64 KiB"),
            ("two words", "a space"),
            (expired.as_str(), "has expired already"),
        ] {
            let error = Token::read(text, &Receipt::at(at(1000))).expect_err(words);
            assert!(error.words.contains(words), "{error:?}");
        }
    }
}
