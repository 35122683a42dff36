//! The history file.

use std::{path::Path, sync::Arc};

use crate::{config::Config, monitor::HistoryFile, store::Store};

/// Opens the history file of the configuration, if it names one. Without a file that can be opened, histories are kept in
/// memory.
pub(super) fn open(config: &Config) -> HistoryFile {
    config.history.path.as_deref().map_or(HistoryFile::NotConfigured, |path| open_file(path, config))
}

fn open_file(path: &Path, config: &Config) -> HistoryFile {
    let store = match Store::open(path) {
        Ok(store) => store,
        Err(words) => {
            tracing::error!("histories are kept in memory alone: {words}");
            return HistoryFile::NotOpened;
        }
    };
    let names: Vec<&str> = config.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    match store.forget_others(&names) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "deleted the history of clusters that are no longer configured"),
        Err(error) => tracing::warn!("the history cannot be tidied up: {error}"),
    }
    HistoryFile::Open(Arc::new(store))
}
