//! The threads of the embedded cluster.

use std::{
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
};

use super::{mock::cluster, script::live, traffic::Traffic};

/// The embedded cluster. It ends when this value is dropped.
pub struct Demo {
    bootstrap: String,
    /// The threads, in the order in which they end: the traffic, then the cluster itself.
    threads: Vec<Worker>,
}

/// A thread that runs until its channel is closed.
struct Worker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Demo {
    /// Starts the cluster, with or without faults.
    ///
    /// # Errors
    /// The reason why librdkafka or the system cannot start the cluster.
    pub fn start(faults: bool) -> Result<Self, String> {
        let (started, ready) = channel();
        let (stop, until) = channel();
        let thread = thread::Builder::new().name("demo".to_owned()).spawn(move || {
            match cluster() {
                Ok(cluster) => {
                    // Without a receiver of the address, the start was given up.
                    if started.send(Ok(cluster.bootstrap_servers())).is_ok() {
                        live(&cluster, faults, &until);
                    }
                }
                Err(error) => _ = started.send(Err(error.to_string())),
            }
        });
        let thread = thread.map_err(|error| error.to_string())?;
        let bootstrap = ready.recv().map_err(|_| "the embedded cluster did not start".to_owned())??;
        let mut demo = Self { bootstrap, threads: vec![Worker { stop, thread }] };
        let traffic = Traffic::new(&demo.bootstrap).map_err(|error| error.to_string())?;
        // Old records are written before the service starts: the service would date records that it saw appear.
        traffic.begin().map_err(|error| error.to_string())?;
        let (stop, until) = channel();
        let thread =
            thread::Builder::new().name("demo-traffic".to_owned()).spawn(move || traffic.run(&until));
        // The traffic ends before the brokers.
        demo.threads.insert(0, Worker { stop, thread: thread.map_err(|error| error.to_string())? });
        Ok(demo)
    }

    /// The addresses of the embedded brokers.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        for Worker { stop, thread } in self.threads.drain(..) {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("a thread of the demo panicked");
            }
        }
    }
}
