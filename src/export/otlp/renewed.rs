//! A transport that is made again when the files of its certificates or of its headers change.

use std::sync::Arc;

use super::transport::{Signal, Transport};
use crate::{config::Target, files::Renewed};

/// A transport that follows its files.
pub(in crate::export) struct RenewedTransport {
    target: Target,
    signal: Signal,
    transport: Renewed<Arc<Transport>>,
}

impl RenewedTransport {
    /// Prepares the connection.
    ///
    /// # Errors
    /// The setting that cannot be used, and why.
    pub(in crate::export) fn new(target: &Target, signal: Signal) -> Result<Self, String> {
        let transport = Arc::new(Transport::new(target, signal)?);
        let settings = format!("[otlp] for {}", signal.as_str());
        let transport = Renewed::new(transport, target.paths(), settings);
        Ok(Self { target: target.clone(), signal, transport })
    }

    /// The transport for the next export. Files whose contents have changed since the last call are read again first. If
    /// they cannot be used, the transport stays as it is.
    pub(in crate::export) async fn latest(&self) -> Arc<Transport> {
        let (target, signal) = (self.target.clone(), self.signal);
        self.transport.latest(move || Transport::new(&target.reread()?, signal).map(Arc::new)).await
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::config::{self, FlagSetting, Sources};

    /// The headers of a transport for metrics.
    fn header(transport: &Transport) -> String {
        let Transport::Http { headers, .. } = transport else { panic!("HTTP is configured") };
        headers.get("x-token").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    fn target(file: &Path) -> Target {
        let set = |key: &str, value: String| FlagSetting {
            section: "otlp",
            key: key.to_owned(),
            value,
            flag: "--test",
        };
        let settings = vec![
            set("endpoint", "http://127.0.0.1:4318".to_owned()),
            set("protocol", "http/protobuf".to_owned()),
            set("headers.file", file.display().to_string()),
        ];
        let sources = Sources { bootstrap: Some("b:1".to_owned()), settings, ..Sources::default() };
        config::load(&sources).expect("a configuration").otlp.metrics.expect("metrics are pushed").target
    }

    #[tokio::test]
    async fn headers_of_a_file_are_read_again_and_a_malformed_file_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("headers");
        fs::write(&file, "x-token=first-secret\n").expect("a file");
        let renewed = RenewedTransport::new(&target(&file), Signal::Metrics).expect("good settings");
        assert_eq!(header(&*renewed.latest().await), "first-secret");
        let used = renewed.latest().await;
        assert!(Arc::ptr_eq(&used, &renewed.latest().await), "the same file opens no other connection");
        fs::write(&file, "x-token=second-secret\n").expect("a file");
        assert_eq!(header(&*renewed.latest().await), "second-secret");
        for _ in 0..3 {
            fs::write(&file, "no pairs").expect("a file");
            assert_eq!(header(&*renewed.latest().await), "second-secret");
        }
        fs::write(&file, "x-token=third-secret\n").expect("a file");
        assert_eq!(header(&*renewed.latest().await), "third-secret");
    }
}
