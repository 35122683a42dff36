//! MirrorMaker 2, which copies one topic of a cluster into another cluster.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    Kafka, Listener, install,
    process::{Restartable, Supervised},
};

const MAIN_CLASS: &str = "org.apache.kafka.connect.mirror.MirrorMaker";

/// A process of MirrorMaker 2; dropping it ends it.
pub(crate) struct MirrorMaker {
    process: Restartable,
    log: PathBuf,
}

impl MirrorMaker {
    /// Copies a topic of `primary` into `standby`. `naming` are further lines of its properties. `None` skips the test.
    pub(crate) fn start(primary: &Kafka, standby: &Kafka, topic: &str, naming: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let class_path = install::mirror()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = install::run_folder().join(format!("mirror-{number}"));
        fs::create_dir_all(&folder).expect("a folder of the run");
        let properties = format!(
            "clusters = primary, standby\n\
             primary.bootstrap.servers = {}\n\
             standby.bootstrap.servers = {}\n\
             primary->standby.enabled = true\n\
             primary->standby.topics = {topic}\n\
             standby->primary.enabled = false\n\
             tasks.max = 1\n\
             refresh.topics.interval.seconds = 2\n\
             refresh.groups.interval.seconds = 2\n\
             emit.checkpoints.interval.seconds = 2\n\
             replication.factor = 1\n\
             checkpoints.topic.replication.factor = 1\n\
             heartbeats.topic.replication.factor = 1\n\
             offset-syncs.topic.replication.factor = 1\n\
             offset.storage.replication.factor = 1\n\
             status.storage.replication.factor = 1\n\
             config.storage.replication.factor = 1\n\
             offset.flush.interval.ms = 1000\n{naming}",
            primary.bootstrap(Listener::Plaintext),
            standby.bootstrap(Listener::Plaintext),
        );
        fs::write(folder.join("mirror.properties"), properties).expect("the properties written");
        let flags = "-Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto";
        let mut arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        arguments.extend(["-cp", &class_path, MAIN_CLASS, "mirror.properties"].map(str::to_owned));
        let (process, log) = (Restartable::default(), folder.join("mirror.log"));
        process.put(Supervised::java(&arguments, &folder, &log));
        Some(Self { process, log })
    }

    /// Freezes the process (SIGSTOP).
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Lets a frozen process go on.
    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// Ends the process (SIGKILL).
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// What the process has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}
