//! TLS to identity providers and to AWS.

use tokio_rustls::rustls::ClientConfig;

use crate::{kafka::properties::PropertyReader, tls};

/// TLS with the CA certificates of the system, and with those of `https.ca.location` or `https.ca.pem` beside them. `None` if
/// these cannot be used; the error is left with the reader.
pub(super) fn trusted(reader: &mut PropertyReader<'_>) -> Option<ClientConfig> {
    let mut roots = tls::system_roots();
    let key = "https.ca.location";
    if reader.get(key).is_some_and(|path| path != "probe") || reader.get("https.ca.pem").is_some() {
        let text = reader.pem("https.ca")?;
        tls::trust(&mut roots, &text).inspect_err(|words| reader.error(key, *words)).ok()?;
    }
    tls::client(roots, None).inspect_err(|error| reader.error(key, error.to_string())).ok()
}
