//! A real worker of Kafka Connect with its file connectors, on a free loopback port.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::support::{
    kafka::{
        free_port, install,
        process::{Restartable, Supervised},
    },
    try_wait,
};

const MAIN_CLASS: &str = "org.apache.kafka.connect.cli.ConnectDistributed";

/// How long a worker may take to start on a busy machine; 10 s are usual.
const START_LIMIT: Duration = Duration::from_secs(180);

/// A worker; dropping it ends it.
pub(crate) struct Worker {
    port: u16,
    folder: PathBuf,
    class_path: String,
    process: Restartable,
}

impl Worker {
    /// Starts a worker that is alone in its Connect cluster. `None` skips the test.
    pub(crate) fn start(bootstrap: &str) -> Option<Self> {
        static WORKER: AtomicU32 = AtomicU32::new(0);
        let class_path = install::connect()?;
        let number = WORKER.fetch_add(1, Ordering::Relaxed);
        let folder = install::run_folder().join(format!("connect-{number}"));
        fs::create_dir_all(&folder).expect("a folder of the run");
        let worker = Self { port: free_port(), folder, class_path, process: Restartable::default() };
        let properties = worker.properties(bootstrap, number);
        fs::write(worker.folder.join("worker.properties"), properties).expect("the properties written");
        worker.restart();
        Some(worker)
    }

    fn properties(&self, bootstrap: &str, number: u32) -> String {
        let (port, name) = (self.port, format!("connect-{}-{number}", std::process::id()));
        let converter = "org.apache.kafka.connect.storage.StringConverter";
        format!(
            "bootstrap.servers={bootstrap}\ngroup.id={name}\n\
             listeners=HTTP://127.0.0.1:{port}\nrest.advertised.host.name=127.0.0.1\nrest.advertised.port={port}\n\
             key.converter={converter}\nvalue.converter={converter}\n\
             config.storage.topic={name}-configs\nconfig.storage.replication.factor=1\n\
             offset.storage.topic={name}-offsets\noffset.storage.replication.factor=1\noffset.storage.partitions=1\n\
             status.storage.topic={name}-status\nstatus.storage.replication.factor=1\nstatus.storage.partitions=1\n"
        )
    }

    /// The address of the REST API.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The name that the worker uses for itself.
    pub(crate) fn id(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Creates a connector, or replaces its configuration.
    pub(crate) fn put(&self, connector: &str, config: &Value) {
        let address = format!("{}/connectors/{connector}/config", self.url());
        let put = || {
            let request = ureq::put(&address).header("content-type", "application/json");
            request.send(config.to_string()).ok()
        };
        assert!(try_wait(START_LIMIT, put).is_some(), "the connector was not created:\n{}", self.log());
    }

    /// Restarts the failed tasks of a connector.
    pub(crate) fn restart_failed(&self, connector: &str) {
        let query = "includeTasks=true&onlyFailed=true";
        let address = format!("{}/connectors/{connector}/restart?{query}", self.url());
        let post = || ureq::post(&address).send_empty().ok();
        assert!(try_wait(START_LIMIT, post).is_some(), "the tasks were not restarted:\n{}", self.log());
    }

    /// Ends the worker (SIGKILL): its port refuses connections.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Starts the worker again after `kill`, with the same address; returns when it lists its connectors.
    pub(crate) fn restart(&self) {
        let flags = "-Xms32m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto";
        let mut arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        arguments.extend(["-cp", &self.class_path, MAIN_CLASS, "worker.properties"].map(str::to_owned));
        let log = self.folder.join("worker.log");
        self.process.put(Supervised::java(&arguments, &self.folder, &log));
        let address = format!("{}/connectors", self.url());
        let answer = try_wait(START_LIMIT, || ureq::get(&address).call().ok());
        assert!(answer.is_some(), "the worker did not start within {START_LIMIT:?}:\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("worker.log")).unwrap_or_default()
    }
}
