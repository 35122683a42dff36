//! The SASL login: a mechanism with a user and a password, with a source of tokens, or with a source of tickets.

use std::sync::Arc;

use super::{kerberos, record::Credential, secret::Secret, settings::TokenSettings, source::TokenSource};
use crate::{closed_enum::closed_enum, kafka::properties::PropertyReader};

closed_enum! {
    /// The SASL mechanisms that both Kafka clients speak.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::kafka) enum Mechanism {
        Plain = "PLAIN",
        ScramSha256 = "SCRAM-SHA-256",
        ScramSha512 = "SCRAM-SHA-512",
        OauthBearer = "OAUTHBEARER",
        /// Amazon MSK with IAM. On the wire it is OAUTHBEARER with tokens that this program signs.
        AwsMskIam = "AWS_MSK_IAM",
    }
}

/// The credentials of a client.
#[derive(Debug, Clone)]
pub(in crate::kafka) enum Credentials {
    /// PLAIN or SCRAM, with a user and a password.
    Password { mechanism: Mechanism, username: String, password: Secret },
    /// OAUTHBEARER or MSK IAM, with the newest token of a source.
    Token(Arc<TokenSource>),
    /// GSSAPI, with tickets of Kerberos for the brokers, which run as this service.
    #[cfg(feature = "gssapi")]
    Ticket { source: Arc<kerberos::TicketSource>, service: String },
}

impl Credentials {
    /// Reads the `sasl.*` properties of a cluster. `None` if one of them cannot be used; its error is left with the reader.
    pub(in crate::kafka) fn read(cluster: &str, reader: &mut PropertyReader<'_>) -> Option<Self> {
        let named = ["sasl.mechanism", "sasl.mechanisms"].into_iter().find(|key| reader.get(key).is_some());
        let wanted = named.and_then(|key| reader.get(key));
        if wanted == Some(kerberos::MECHANISM) {
            return ticket(named.unwrap_or_default(), reader);
        }
        let mechanism = Mechanism::ALL.into_iter().find(|known| Some(known.as_str()) == wanted);
        if mechanism.is_none() {
            let problem = if named.is_some() { "expected" } else { "is missing: set it to" };
            let message =
                format!("{problem} PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM or GSSAPI");
            reader.error(named.unwrap_or("sasl.mechanism"), message);
        }
        if mechanism.is_none() && named.is_some() {
            // Which other properties are needed depends on the mechanism.
            return None;
        }
        let settings = match mechanism {
            Some(Mechanism::OauthBearer) => Some(TokenSettings::read(reader)),
            Some(Mechanism::AwsMskIam) => Some(TokenSettings::read_msk_iam(reader)),
            _ => None,
        };
        if let Some(settings) = settings {
            return settings
                .and_then(|settings| TokenSource::new(cluster, settings, reader))
                .map(Self::Token);
        }
        for key in ["sasl.username", "sasl.password"] {
            if reader.get(key).is_none() {
                let mechanism = mechanism.map_or("SASL", Mechanism::as_str);
                reader.error(key, format!("is missing: {mechanism} wants one"));
            }
        }
        let username = reader.get("sasl.username")?.to_owned();
        let password = Secret::new(reader.get("sasl.password")?);
        Some(Self::Password { mechanism: mechanism?, username, password })
    }

    /// The source of tokens. `None` for a login with a password.
    pub(in crate::kafka) fn tokens(&self) -> Option<&Arc<TokenSource>> {
        match self {
            Self::Password { .. } => None,
            #[cfg(feature = "gssapi")]
            Self::Ticket { .. } => None,
            Self::Token(source) => Some(source),
        }
    }

    /// Whether there is a credential with which a client can log in now. A password never expires.
    pub(in crate::kafka) fn are_usable(&self) -> bool {
        match self {
            Self::Password { .. } => true,
            #[cfg(feature = "gssapi")]
            Self::Ticket { source, .. } => source.has_usable(),
            Self::Token(source) => source.has_usable(),
        }
    }

    /// The credential that is renewed, with what is counted of it. `None` for a login with a password.
    pub(in crate::kafka) fn credential(&self) -> Option<Credential> {
        match self {
            Self::Password { .. } => None,
            #[cfg(feature = "gssapi")]
            Self::Ticket { source, .. } => Some(source.credential()),
            Self::Token(source) => Some(source.credential()),
        }
    }
}

/// Reads the properties of a login with Kerberos.
#[cfg(feature = "gssapi")]
fn ticket(_: &str, reader: &mut PropertyReader<'_>) -> Option<Credentials> {
    let settings = kerberos::TicketSettings::read(reader)?;
    let source = kerberos::TicketSource::shared(&settings, reader)?;
    Some(Credentials::Ticket { source, service: settings.service })
}

/// Names the build that has Kerberos. `key` is the property of the mechanism.
#[cfg(not(feature = "gssapi"))]
fn ticket(key: &str, reader: &mut PropertyReader<'_>) -> Option<Credentials> {
    reader.error(key, kerberos::OTHER_BUILD);
    None
}
