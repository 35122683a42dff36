//! A transport that is made again when the files of its certificates or of its headers change.

use std::sync::{Arc, Mutex};

use tokio::sync::Mutex as AsyncMutex;

use super::transport::{Signal, Transport};
use crate::{
    config::Target,
    files::{Checked, FileSet},
    sync::lock,
};

/// A transport that follows its files.
pub(in crate::export) struct RenewedTransport {
    target: Target,
    signal: Signal,
    current: Mutex<Arc<Transport>>,
    /// Locked while the files are checked.
    files: AsyncMutex<Files>,
}

/// The files of a transport.
struct Files {
    set: FileSet<Transport>,
    /// Whether the files were checked since the start.
    is_checked: bool,
    /// Whether the file system did not answer at the last check.
    is_hung: bool,
}

impl RenewedTransport {
    /// Prepares the connection.
    ///
    /// # Errors
    /// The setting that cannot be used, and why.
    pub(in crate::export) fn new(target: &Target, signal: Signal) -> Result<Self, String> {
        let current = Mutex::new(Arc::new(Transport::new(target, signal)?));
        let set = FileSet::new(target.paths());
        let files = AsyncMutex::new(Files { set, is_checked: false, is_hung: false });
        Ok(Self { target: target.clone(), signal, current, files })
    }

    /// The transport for the next export. Files whose contents have changed since the last call are read again first. If
    /// they cannot be used, the transport stays as it is.
    pub(in crate::export) async fn latest(&self) -> Arc<Transport> {
        if let Ok(mut files) = self.files.try_lock()
            && !files.set.is_empty()
        {
            let (target, signal) = (self.target.clone(), self.signal);
            let checked = files.set.check(move || Transport::new(&target.reread()?, signal)).await;
            let was_hung = std::mem::replace(&mut files.is_hung, matches!(checked, Checked::Hung));
            match checked {
                Checked::Same => {}
                Checked::Changed(fresh) => {
                    *lock(&self.current) = Arc::new(fresh);
                    // The first check reads what was read at the start.
                    if std::mem::replace(&mut files.is_checked, true) {
                        tracing::info!(
                            "the renewed files of [otlp] are used for the export of {}",
                            self.signal.as_str()
                        );
                    }
                }
                Checked::Unusable(reason) => tracing::warn!(
                    "the renewed files of [otlp] cannot be used and those read before stay in use: {reason}"
                ),
                Checked::Hung if was_hung => {}
                Checked::Hung => {
                    tracing::warn!("the files of [otlp] cannot be read: the file system does not answer");
                }
            }
        }
        lock(&self.current).clone()
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
