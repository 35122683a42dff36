//! An access token of OAuth 2.0.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::secret::Secret;
use crate::clock::from_unix_seconds;

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
    received: SystemTime,
    expires: Option<SystemTime>,
}

/// The claims of a token that is a JSON Web Token (RFC 7519, section 4.1). A claim of another type is absent.
#[derive(Default)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
}

impl Token {
    /// Reads a token that was received at `received`. `lifetime` is the lifetime that the identity provider gave it;
    /// the claim `exp` of the token wins over it.
    ///
    /// # Errors
    /// What is wrong with the token, without the token.
    pub(super) fn read(
        text: &str,
        lifetime: Option<Duration>,
        received: SystemTime,
    ) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the token is empty");
        }
        if text.len() > LONGEST {
            return Err("the token is longer than 64 KiB");
        }
        // RFC 6750, section 2.1.
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
            return Err("the token has a space, a line break or another character that no token has");
        }
        let Claims { sub, exp } = claims(text).unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the whole seconds are wanted; a float saturates"
        )]
        let claimed = exp.and_then(|seconds| from_unix_seconds(seconds as i64));
        let expires = claimed.or_else(|| received.checked_add(lifetime?));
        if expires.is_some_and(|expires| expires <= received) {
            return Err(
                "the token has expired already: check the clocks of this machine and of the identity provider",
            );
        }
        Ok(Self { value: Secret::new(text), subject: sub.filter(|sub| !sub.is_empty()), received, expires })
    }

    pub(in crate::kafka) fn reveal(&self) -> &str {
        self.value.reveal()
    }

    /// The owner of the token, which is the claim `sub`. `None` if the token is no JSON Web Token or does not name one.
    pub(in crate::kafka) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
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
    Some(Claims { sub: claims["sub"].as_str().map(str::to_owned), exp: number(&claims["exp"]) })
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

    #[test]
    fn claims_of_a_token_name_its_owner_and_its_expiry() {
        let token = Token::read(&jwt(r#"{"sub":"me","exp":1100.9}"#), Some(Duration::from_secs(9)), at(1000));
        let token = token.expect("a token");
        assert_eq!((token.subject(), token.usable_until()), (Some("me"), at(1100)));
        assert_eq!(token.renewal(0.8), Duration::from_secs(80));
    }

    #[test]
    fn opaque_token_expires_after_the_lifetime_of_the_answer_or_is_renewed_after_five_minutes() {
        let token = Token::read("opaque\n", Some(Duration::from_secs(60)), at(1000)).expect("a token");
        assert_eq!((token.subject(), token.usable_until()), (None, at(1060)));
        assert_eq!(Token::read("opaque", None, at(1000)).expect("a token").usable_until(), at(1300));
        let numeric = Token::read(&jwt(r#"{"sub":7,"exp":"1060"}"#), None, at(1000)).expect("a token");
        assert_eq!((numeric.subject(), numeric.usable_until()), (None, at(1060)));
        assert_eq!(format!("{token:?}").matches("opaque").count(), 0);
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
            let error = Token::read(text, None, at(1000)).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }
}
