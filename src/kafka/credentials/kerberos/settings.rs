//! The properties of Kerberos by librdkafka's names.

#[cfg(feature = "gssapi")]
use std::path::PathBuf;

#[cfg(feature = "gssapi")]
use crate::kafka::properties::PropertyReader;

/// The SASL mechanism of Kerberos.
pub(in crate::kafka) const MECHANISM: &str = "GSSAPI";

/// What to do where this build has no Kerberos.
#[cfg(not(feature = "gssapi"))]
pub(in crate::kafka) const OTHER_BUILD: &str = "GSSAPI (Kerberos) is not in this build: use the image of docker build --target \
     kerberos, or cargo build --release --features gssapi";

const SERVICE: &str = "sasl.kerberos.service.name";
const PRINCIPAL: &str = "sasl.kerberos.principal";
const KEYTAB: &str = "sasl.kerberos.keytab";

/// Whether this build understands a property as one of Kerberos.
pub(in crate::kafka) fn is_kerberos(key: &str) -> bool {
    cfg!(feature = "gssapi") && [SERVICE, PRINCIPAL, KEYTAB].contains(&key)
}

/// The principal of this client, and the service that brokers run as.
#[cfg(feature = "gssapi")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) struct TicketSettings {
    pub(super) principal: String,
    /// The file with the key of the principal.
    pub(super) keytab: PathBuf,
    /// The first part of the principal of every broker.
    pub(in crate::kafka::credentials) service: String,
}

#[cfg(feature = "gssapi")]
impl TicketSettings {
    /// Reads the properties. `None` if one of them cannot be used; its error is left with the reader.
    pub(in crate::kafka) fn read(reader: &mut PropertyReader<'_>) -> Option<Self> {
        for key in [PRINCIPAL, KEYTAB] {
            match reader.get(key) {
                None => {
                    reader.error(key, "is missing: GSSAPI takes its tickets with a principal from a keytab")
                }
                Some(value) if value.contains('\0') => reader.error(key, "holds a zero byte"),
                Some(_) => {}
            }
        }
        let service = reader.get(SERVICE).unwrap_or("kafka");
        if service.contains(['@', '/', '\0']) {
            reader.error(SERVICE, "expected the part before the slash alone, such as kafka");
        }
        let usable = |key| reader.get(key).filter(|value: &&str| !value.contains('\0'));
        let principal = usable(PRINCIPAL)?.to_owned();
        let keytab = usable(KEYTAB)?;
        let keytab = keytab.strip_prefix("FILE:").unwrap_or(keytab).into();
        (!service.contains(['@', '/', '\0'])).then(|| Self { principal, keytab, service: service.to_owned() })
    }
}
