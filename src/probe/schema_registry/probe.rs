//! The task.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{
    api,
    level::Level,
    mode::Mode,
    snapshot::{self, Snapshot},
    state::{Read, State},
};
use crate::{
    config,
    files::Renewed,
    kafka::{self, Capability, Error, Permission, PropertyError},
    rest::{Client, Failure, Fault, Node},
    task::Cycle,
};

/// The first pause between two reads of a level that a node does not return yet. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Checks the settings as [`Probe::new`] does.
///
/// # Errors
/// Every key of `[schema_registry]` that cannot be used.
pub fn check(cluster: &config::Cluster) -> Result<(), Vec<PropertyError>> {
    let registry = &cluster.schema_registry;
    if registry.is_checked() { Client::new(&name(cluster), &registry.service).map(drop) } else { Ok(()) }
}

/// The task that checks the registry.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    /// `None` if the settings cannot be used, which a checked configuration does not allow.
    client: Option<Renewed<Client>>,
    nodes: Vec<Node>,
    state: State,
    /// Whether the login may write.
    permission: Permission,
    /// The number of writes, which chooses the node of the next one.
    writes: usize,
    /// The state after the last cycle, as it was logged.
    logged: snapshot::State,
}

impl Probe {
    /// A task that has checked nothing yet.
    pub fn new(cluster: Arc<config::Cluster>) -> Self {
        let service = &cluster.schema_registry.service;
        let nodes: Vec<Node> = service.nodes.iter().map(Node::new).collect();
        let client = Client::new(&name(&cluster), service).ok();
        let client = client.map(|client| {
            let settings = format!("[schema_registry] of {}", cluster.name);
            Renewed::new(client, service.paths(), settings)
        });
        let state = State::new(nodes.iter().map(|node| node.name.clone()));
        let (permission, logged) = (Permission::default(), snapshot::State::Ok);
        Self { cluster, client, nodes, state, permission, writes: 0, logged }
    }

    /// The client with the certificates and secrets that their files hold now.
    async fn client(&self) -> Result<Client, Error> {
        let unusable = || Error::new(kafka::Fault::CredentialFile, "the settings of [schema_registry]");
        let client = self.client.as_ref().ok_or_else(unusable)?;
        let (name, service) = (name(&self.cluster), self.cluster.schema_registry.service.clone());
        let read = move || {
            let words = |errors: Vec<PropertyError>| {
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            };
            Client::new(&name, &service.reread()?).map_err(words)
        };
        Ok(client.latest(read).await)
    }

    /// Changes the level of the subject through the node whose turn it is, and reads it again from each node.
    async fn write(&mut self, client: &Client, begun: Instant, at: SystemTime) {
        let settings = self.cluster.schema_registry.clone();
        let (subject, limit) = (settings.subject.as_str(), settings.timeout);
        let up: Vec<Node> = self.nodes.iter().filter(|node| self.state.is_up(&node.name)).cloned().collect();
        let Some(node) = up.get(self.writes % up.len().max(1)) else { return };
        let is_read_only = self.state.mode(&node.name).is_some_and(Mode::forbids_writes);
        if is_read_only || self.permission.is_refused() {
            return self.state.forget_writes();
        }
        self.writes = self.writes.wrapping_add(1);
        let deadline = begun + limit * 7 / 10;
        let before = match change(client, node, subject, deadline).await {
            Ok((before, took)) => {
                self.permission.learn(Capability::Ok);
                self.state.add_write(&node.name, Ok(took), at);
                before
            }
            // The mode may be one of the subject, which the mode of the registry does not show.
            Err(Failure { code: Some(api::NOT_PERMITTED), .. }) => return self.state.forget_writes(),
            Err(Failure { fault: Fault::Unauthorized | Fault::Forbidden, .. }) => {
                return self.refuse(Capability::Denied);
            }
            // Apicurio's registry sets levels of subjects that have a schema, and of no other subject.
            Err(Failure { fault: Fault::NotFound, message, .. }) => {
                let cluster = &self.cluster.name;
                tracing::warn!(
                    cluster,
                    subject,
                    "the Schema Registry knows no such subject: register a schema for it: {message}"
                );
                return self.refuse(Capability::Unsupported);
            }
            Err(failure) => return self.state.add_write(&node.name, Err(&failure), at),
        };
        let (written, deadline) = (Instant::now(), begun + limit * 9 / 10);
        let reads =
            up.iter().map(|node| read_back(client, node, subject, before.as_deref(), (written, deadline)));
        for (node, read) in up.iter().zip(join_all(reads).await) {
            self.state.add_read_back(&node.name, read.as_ref().copied(), at);
        }
    }

    /// The registry does not allow writes. That is believed for a while, and is no fault.
    fn refuse(&mut self, capability: Capability) {
        self.permission.learn(capability);
        self.state.forget_writes();
    }

    /// Logs one line when the state of the registry changes.
    fn note(&mut self, snapshot: &Snapshot) {
        let (cluster, state) = (&self.cluster.name, snapshot.state());
        if std::mem::replace(&mut self.logged, state) == state {
            return;
        }
        let failing = snapshot.nodes.values().flat_map(|node| &node.measured);
        let failing = failing.filter_map(|measured| measured.failing.as_ref());
        let reason = snapshot.writes.iter().chain(failing).next().map(|failing| failing.message.as_str());
        match state {
            snapshot::State::Ok => tracing::info!(cluster, "the Schema Registry works again"),
            _ => tracing::warn!(
                cluster,
                state = state.as_str(),
                reason,
                "the Schema Registry does not work as it should"
            ),
        }
    }
}

/// The name of the registry for the log.
fn name(cluster: &config::Cluster) -> String {
    format!("{} (Schema Registry)", cluster.name)
}

/// The answers of a node to the reads of a cycle.
async fn read(client: &Client, node: &Node, deadline: Instant) -> Read {
    let subjects = api::subjects(client, node, deadline).await;
    let mode = if subjects.is_ok() { api::mode(client, node, deadline).await } else { None };
    Read { subjects, mode }
}

/// Changes the level of a subject. Returns the former level, and how long the write took.
async fn change(
    client: &Client,
    node: &Node,
    subject: &str,
    deadline: Instant,
) -> Result<(Option<String>, Duration), Failure> {
    let before = api::level(client, node, subject, deadline).await?;
    let level = Level::after(before.as_deref());
    let answer = api::set_level(client, node, subject, level, deadline).await?;
    Ok((before, answer.took))
}

/// The time from a write until a node returned another level than before.
async fn read_back(
    client: &Client,
    node: &Node,
    subject: &str,
    before: Option<&str>,
    (written, deadline): (Instant, Instant),
) -> Result<Duration, Failure> {
    let mut pause = FIRST_PAUSE;
    loop {
        let level = api::level(client, node, subject, deadline).await?;
        if level.as_deref() != before {
            return Ok(written.elapsed());
        }
        if Instant::now() + pause >= deadline {
            let message = format!("{}: the level that was written is not returned in time", node.name);
            return Err(Failure { fault: Fault::Stale, code: None, message });
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(2 * pause);
    }
}

/// The fault of this process, if the reads failed for it.
fn own_fault(reads: &BTreeMap<Arc<str>, Read>) -> Option<kafka::Fault> {
    let mut failures = reads.values().filter_map(|read| read.subjects.as_ref().err());
    failures.any(|failure| failure.fault == Fault::Descriptors).then_some(kafka::Fault::Descriptors)
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let (begun, at) = (Instant::now(), SystemTime::now());
        let client = self.client().await?;
        let deadline = begun + self.cluster.schema_registry.timeout * 3 / 10;
        let reads = join_all(self.nodes.iter().map(|node| read(&client, node, deadline))).await;
        let reads = self.nodes.iter().map(|node| node.name.clone()).zip(reads).collect();
        if let Some(fault) = own_fault(&reads) {
            return Err(Error::new(fault, "the reads of the Schema Registry"));
        }
        self.state.add_reads(&reads, at);
        if self.cluster.schema_registry.write {
            self.write(&client, begun, at).await;
        }
        let snapshot = self.state.snapshot(self.permission.state(), at);
        self.note(&snapshot);
        Ok(snapshot)
    }
}
