//! One broker of a test cluster, and the faults that it can have.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use rdkafka::metadata::Metadata;

use super::{
    Listener, START_LIMIT, archive, cut, install,
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
    /// The library that moves the wall clock.
    pub(super) clock: Option<PathBuf>,
    /// Whether its process has a group of its own.
    pub(super) has_own_group: bool,
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

    /// The folder of the broker: its settings, its log and, in `data`, its log directory.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first segment file of a partition.
    pub(crate) fn segment(&self, topic: &str, partition: i32) -> PathBuf {
        self.folder.join(format!("data/{topic}-{partition}/00000000000000000000.log"))
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
        self.wait_until_back();
    }

    /// Adds a line to the settings of the broker, which counts from its next start on and replaces an earlier line with the same key.
    pub(crate) fn set(&self, line: &str) {
        let file = self.folder.join("server.properties");
        let settings = fs::read_to_string(&file).expect("the settings of the broker");
        fs::write(file, settings + line + "\n").expect("the settings written");
    }

    fn wait_until_back(&self) {
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

    /// Moves the wall clock of the broker by so many seconds against the clock of the machine. The cluster must have been started
    /// with [`super::Extras::clock`].
    pub(crate) fn set_clock(&self, seconds: i64) {
        assert!(self.clock.is_some(), "the cluster has no library for clocks");
        // The broker has mapped the file, so it must not be replaced.
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(self.clock_file());
        file.expect("the file of the clock").write_all(&seconds.to_ne_bytes()).expect("the clock is written");
    }

    fn clock_file(&self) -> PathBuf {
        self.folder.join("clock")
    }

    /// Starts the broker again with its data on a file system of its own, of so many megabytes. The file system is a copy in
    /// memory that only this process sees, and it disappears with the process. Returns as [`Broker::restart`] does.
    pub(crate) fn restart_in_memory(&self, megabytes: u32) {
        let script = format!(
            "mkdir -p copy && mount -t tmpfs -o size={megabytes}m tmpfs copy && cp -a data/. copy && \
             mount --bind copy data && exec java \"$@\""
        );
        let prefix = ["-m", "sh", "-c", &script, "sh"].map(str::to_owned);
        self.process.put(self.supervised("unshare", prefix.into_iter().chain(self.arguments()).collect()));
        self.wait_until_back();
    }

    /// A file of the broker's folder as the process of the broker sees it.
    pub(crate) fn file_inside(&self, name: &str) -> PathBuf {
        let pid = self.pid().expect("the broker runs");
        let path = self.folder.join(name);
        PathBuf::from(format!("/proc/{pid}/root")).join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// Starts the broker again, after `kill` or `stop`, and does not wait until it answers.
    pub(crate) fn launch(&self) {
        let mut command = if self.has_own_group { cut::in_own_group(self.id).to_vec() } else { Vec::new() };
        command.push("java".to_owned());
        command.extend(self.arguments());
        self.process.put(self.supervised(&command[0], command[1..].to_vec()));
    }

    fn supervised(&self, program: &str, arguments: Vec<String>) -> Supervised {
        let mut environment = Vec::new();
        if let Some(library) = &self.clock {
            self.set_clock(0);
            environment.push(("LD_PRELOAD", library.display().to_string()));
            environment.push(("CLOCK_OFFSET", self.clock_file().display().to_string()));
        }
        Supervised::program(&environment, program, &arguments, &self.folder, &self.log())
    }

    /// The arguments of `java`.
    fn arguments(&self) -> Vec<String> {
        let flags = "-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
                     -Dorg.slf4j.simpleLogger.showDateTime=true \
                     -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS";
        let mut arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        arguments.extend(self.flags.iter().cloned());
        arguments.extend(archive::flag());
        let class_path = install::class_path().expect("checked before a cluster starts");
        arguments.extend(["-cp", class_path, "kafka.Kafka", "server.properties"].map(str::to_owned));
        arguments
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
