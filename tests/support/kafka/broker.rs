//! One broker of a test cluster, and the faults that it can have.

use std::{fs, path::PathBuf, time::Duration};

use rdkafka::metadata::Metadata;

use super::{
    Listener, START_LIMIT, install,
    process::{Restartable, Supervised},
    settings::Ports,
    tools::{metadata, views},
};
use crate::support::wait_for;

/// One broker of a test cluster. Its methods block until their effect is visible.
pub(crate) struct Broker {
    pub(super) id: i32,
    pub(super) ports: Ports,
    pub(super) folder: PathBuf,
    /// Arguments for the Java virtual machine beside those of every broker.
    pub(super) flags: Vec<String>,
    /// The plaintext addresses of the whole cluster.
    pub(super) cluster: String,
    pub(super) process: Restartable,
}

impl Broker {
    /// The id in the metadata.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// `127.0.0.1:PORT` at a listener.
    pub(crate) fn address(&self, listener: Listener) -> String {
        format!("127.0.0.1:{}", self.ports.of(listener))
    }

    /// The process id of the Java process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Freezes the broker (SIGSTOP): its sockets stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Wakes a frozen broker (SIGCONT).
    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// Ends the broker without warning (SIGKILL).
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Ends the broker in good order (SIGTERM): it hands its leaderships over first.
    pub(crate) fn stop(&self) {
        self.process.terminate();
    }

    /// Starts the broker again, after `kill` or `stop`; returns when it answers and the others know it.
    pub(crate) fn restart(&self) {
        self.launch();
        wait_for(&format!("broker {} to come back", self.id), START_LIMIT, || {
            (self.is_known() == Some(true) && metadata(&self.address(Listener::Plaintext), None).is_some())
                .then_some(())
        });
    }

    /// Waits until all brokers that answer list this one: after `resume`, say.
    pub(crate) fn wait_until_known(&self) {
        wait_for(&format!("broker {} to join the metadata", self.id), Duration::from_secs(30), || {
            (self.is_known() == Some(true)).then_some(())
        });
    }

    /// Waits until no broker that answers lists this broker any more.
    pub(crate) fn wait_until_fenced(&self) {
        wait_for(&format!("broker {} to leave the metadata", self.id), Duration::from_secs(30), || {
            (self.is_known() == Some(false)).then_some(())
        });
    }

    /// Whether the brokers that answer list this broker; absent while they disagree.
    fn is_known(&self) -> Option<bool> {
        let knows = |view: &Metadata| view.brokers().iter().any(|broker| broker.id() == self.id);
        let views = views(&self.cluster, None);
        let known = views.iter().filter(|view| knows(view)).count();
        match known {
            0 if !views.is_empty() => Some(false),
            all if all == views.len() && all > 0 => Some(true),
            _ => None,
        }
    }

    pub(super) fn sees_brokers(&self, count: usize) -> bool {
        metadata(&self.address(Listener::Plaintext), None)
            .is_some_and(|metadata| metadata.brokers().len() == count)
    }

    pub(super) fn launch(&self) {
        let flags = "-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
                     -Dorg.slf4j.simpleLogger.showDateTime=true \
                     -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS";
        let mut arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        arguments.extend(self.flags.iter().cloned());
        let class_path = install::class_path().expect("checked before a cluster starts");
        arguments.extend(["-cp", class_path, "kafka.Kafka", "server.properties"].map(str::to_owned));
        self.process.put(Supervised::java(&arguments, &self.folder, &self.log()));
    }

    fn log(&self) -> PathBuf {
        self.folder.join("broker.log")
    }

    pub(super) fn startup_failure(&self) -> Option<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let fatal = ["Address already in use", "Exiting Kafka due to fatal exception"];
        fatal.iter().any(|words| log.contains(words)).then(|| self.last_words())
    }

    pub(super) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
        format!("broker {}:\n{}", self.id, lines[lines.len().saturating_sub(30)..].join("\n"))
    }
}
