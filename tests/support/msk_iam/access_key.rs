//! The access keys that the verifier knows and that clients sign with.

/// Credentials of AWS, made up for the tests.
#[derive(Debug, Clone)]
pub(crate) struct AccessKey {
    /// The principal's name at the broker, `User:<principal>`. A session cannot change its principal when it signs in again: keys
    /// that follow each other have the same one.
    pub(crate) principal: String,
    /// `AWS_ACCESS_KEY_ID`
    pub(crate) id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub(crate) secret: String,
    /// `AWS_SESSION_TOKEN`, which only temporary credentials have.
    pub(crate) session_token: Option<String>,
}

impl AccessKey {
    /// A permanent key, as an IAM user has.
    pub(crate) fn permanent() -> Self {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYTESTKEY001";
        Self {
            principal: "arn:aws:iam::123456789012:user/heartbeat".into(),
            id: "AKIAHEARTBEAT0000001".into(),
            secret: secret.into(),
            session_token: None,
        }
    }

    /// A temporary key, as AssumeRole returns. Its session token has characters that a URL must escape.
    pub(crate) fn temporary() -> Self {
        Self {
            principal: "arn:aws:sts::123456789012:assumed-role/heartbeat/test".into(),
            id: "ASIAHEARTBEAT0000002".into(),
            secret: "temporary/secret+of/the+role/TESTKEY0002".into(),
            session_token: Some("IQoJb3JpZ2luX2VjE/session+token/with~all*of-them==".into()),
        }
    }

    /// The same key with another secret: what it signs must be refused.
    pub(crate) fn with_wrong_secret(&self) -> Self {
        Self { secret: "this/is+not/the+secret/of/the/access/key".into(), ..self.clone() }
    }

    /// The line of this key in the verifier's file.
    pub(super) fn line(&self) -> String {
        let Self { principal, id, secret, session_token } = self;
        format!("{principal} {id} {secret} {}\n", session_token.as_deref().unwrap_or_default())
    }

    /// The environment in which a program of AWS finds this key and nothing else.
    pub(crate) fn environment(&self, region: &str) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_ACCESS_KEY_ID", self.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
            ("AWS_REGION", region.to_owned()),
            ("AWS_DEFAULT_REGION", region.to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        variables.extend(self.session_token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
        variables
    }
}
