//! Which keys are secret.

/// What is printed in place of a secret.
pub const REDACTED: &str = "***";

/// Whether a key's value must never be printed: by its name, so that properties nobody thought of are covered.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let telling =
        ["password", "secret", "token", "ssl.key.pem", "sasl.oauthbearer.config", "jaas", "headers"];
    telling.iter().any(|word| key.contains(word)) && !key.ends_with(".file") && !key.ends_with(".url")
}

/// What may be printed of a key's value.
pub fn shown(key: &str, value: &str) -> String {
    let key = key.to_lowercase();
    if is_secret(&key) {
        REDACTED.to_owned()
    } else if key.ends_with("endpoint") || key.ends_with("url") {
        url(value)
    } else {
        value.to_owned()
    }
}

/// A URL without who may use it, and without what is asked: both may be secret.
fn url(text: &str) -> String {
    let begin = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(begin);
    // To the last of these signs: one in a password may not be encoded, as it should be.
    let text = match rest.rfind('@') {
        Some(at) => format!("{scheme}{REDACTED}{}", &rest[at..]),
        None => text.to_owned(),
    };
    match text.split_once(['?', '#']) {
        Some((text, _)) => format!("{text}?{REDACTED}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_name() {
        let secret = [
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "SASL.PASSWORD",
        ];
        assert!(secret.into_iter().all(is_secret));
        let open = [
            "sasl.username",
            "ssl.key.location",
            "sasl.password.file",
            "sasl.oauthbearer.token.endpoint.url",
        ];
        assert!(!open.into_iter().any(is_secret));
    }

    #[test]
    fn a_url_is_shown_without_who_may_use_it_and_without_what_is_asked() {
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
        assert_eq!(shown("sasl.password", "s3cret"), REDACTED);
        assert_eq!(shown("client.id", "a@b?c"), "a@b?c");
    }
}
