//! Reads the configuration again while the service runs. Either everything in it can be used, or nothing changes.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    checked::{Checked, ReadConfig, kafka_clients},
    cluster::Running,
    service::Service,
};
use crate::{config::Config, supervisor, text::Chain};

/// The longest time for reading the configuration and the files that it names.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// The names of the clusters by what a reload does to them, and the sections that it does not apply.
#[derive(Debug, Default)]
struct Changes {
    added: Vec<String>,
    removed: Vec<String>,
    restarted: Vec<String>,
    unchanged: Vec<String>,
    after_restart: Vec<&'static str>,
}

impl Service {
    /// Reads the configuration again and applies it. Returns what has changed, in words.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration. Nothing has changed then.
    pub(super) async fn reload(&mut self, read: &ReadConfig) -> Result<String, String> {
        supervisor::reloading();
        let outcome = match read_again(read.clone()).await {
            Ok((config, checked)) => self.apply(&config, checked).await.map(|changes| (config, changes)),
            Err(words) => Err(words),
        };
        self.monitor.config_was_read(outcome.as_ref().ok().map(|(config, _)| config.listing()));
        supervisor::reloaded();
        match outcome {
            Ok((_, changes)) => {
                tracing::info!("the configuration was read again: {changes}");
                Ok(changes)
            }
            Err(words) => {
                tracing::error!("the configuration was read again and is not used: {words}");
                Err(words)
            }
        }
    }

    /// Stops the clusters that are no longer configured, starts those that are new, and starts those again whose settings have
    /// changed. All other clusters go on with their counters, ledgers and connections.
    async fn apply(&mut self, config: &Config, checked: Vec<Checked>) -> Result<String, String> {
        let mut changes =
            Changes { after_restart: self.config.sections_unlike(config), ..Changes::default() };
        let goes_on = |running: &Running| {
            checked.iter().any(|checked| running.board.settings.needs_no_restart_for(&checked.cluster))
        };
        let (mut kept, ended): (Vec<_>, Vec<_>) = self.clusters.drain(..).partition(goes_on);
        let limit = self.config.shutdown.grace.mul_f32(0.8);
        let mut before: Vec<Checked> = ended.iter().map(Running::checked).collect();
        join_all(ended.into_iter().map(|running| running.stop(limit))).await;
        let mut failed = Vec::new();
        for checked in checked {
            let name = checked.cluster.name.clone();
            if let Some(place) = kept.iter().position(|running| *running.board.name == *name) {
                self.clusters.push(kept.swap_remove(place));
                changes.unchanged.push(name);
                continue;
            }
            let old =
                before.iter().position(|before| before.cluster.name == name).map(|at| before.swap_remove(at));
            let list = if old.is_some() { &mut changes.restarted } else { &mut changes.added };
            list.push(name.clone());
            match self.start_cluster(&checked) {
                Ok(running) => self.clusters.push(running),
                Err(words) => {
                    failed.push(words);
                    // The cluster is still watched, with the settings that were good before.
                    let again = old.as_ref().map(|old| self.start_cluster(old)).transpose();
                    self.clusters.extend(again.unwrap_or_else(|words| {
                        failed.push(words);
                        None
                    }));
                }
            }
        }
        changes.removed = before.into_iter().map(|before| before.cluster.name.clone()).collect();
        self.sender.replace(self.clusters.iter().map(|running| running.board.clone()).collect());
        let clients: Vec<_> = self.clusters.iter().map(Running::checked).collect();
        self.monitor.certificates.follow(kafka_clients(&clients));
        if let Err(words) = self.push.follow(&self.boards) {
            failed.push(words);
        }
        config.warnings.iter().for_each(|words| tracing::warn!("{words}"));
        if failed.is_empty() { Ok(changes.words()) } else { Err(failed.join("; ")) }
    }

    /// Starts a cluster.
    fn start_cluster(&self, checked: &Checked) -> Result<Running, String> {
        Running::start(checked, self.history.clone(), self.traces.clone())
            .map_err(|error| format!("cluster {}: {}", checked.cluster.name, Chain(&error)))
    }
}

/// Reads the configuration on a blocking thread, because the file system may not answer.
async fn read_again(read: ReadConfig) -> Result<(Config, Vec<Checked>), String> {
    match timeout(READ_LIMIT, spawn_blocking(move || read())).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(format!("reading the configuration failed: {error}")),
        Err(_) => Err("the configuration cannot be read: the file system does not answer".to_owned()),
    }
}

impl Changes {
    fn words(&self) -> String {
        let lists = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("started again with new settings", &self.restarted),
            ("unchanged", &self.unchanged),
        ];
        let named = lists.into_iter().filter(|(_, names)| !names.is_empty());
        let mut parts: Vec<_> = named.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
        if !self.after_restart.is_empty() {
            parts.push(format!("used after a restart of the service: {}", self.after_restart.join(", ")));
        }
        parts.join("; ")
    }
}
