//! Kafka's own consumer of a share group, which librdkafka is not.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{Kafka, Listener, install, process::Supervised};

/// A member of a share group, a process of its own; dropping it ends it.
pub(crate) struct ShareConsumer {
    process: Supervised,
    log: PathBuf,
}

impl ShareConsumer {
    /// Starts a member that reads a topic.
    pub(crate) fn start(kafka: &Kafka, group: &str, topic: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = install::run_folder();
        let log = folder.join(format!("share-{}.log", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let class_path = install::class_path().expect("this needs Kafka's programs");
        let bootstrap = kafka.bootstrap(Listener::Plaintext);
        let flags = "-Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp";
        let class = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
        let reads = ["--bootstrap-server", &bootstrap, "--group", group, "--topic", topic];
        let arguments = flags.split(' ').chain([class_path, class]).chain(reads);
        let arguments: Vec<_> = arguments.map(str::to_owned).collect();
        Self { process: Supervised::java(&arguments, &folder, &log), log }
    }

    /// Leaves the group and ends.
    pub(crate) fn leave(self) {
        self.process.terminate();
    }

    /// What the process has printed: the records that it read, and errors.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}
