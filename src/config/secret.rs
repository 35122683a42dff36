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
}
