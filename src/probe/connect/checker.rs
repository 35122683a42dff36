//! Asks one Connect cluster.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    api::{self, Root},
    connectors::Connectors,
    failures::FailedPart,
    snapshot::{Cluster, Request, State, Worker},
};
use crate::{
    config,
    files::Renewed,
    kafka::PropertyError,
    rest::{Answer, Client, Failing, Failure, Fault, Node},
    text::plain,
};

/// So many workers are asked for the connectors in one cycle, if the first of them fail.
const TRIES: usize = 3;

/// A Connect cluster, and what is known of it.
pub(super) struct Checker {
    /// The name of the Kafka cluster in the configuration.
    kafka: String,
    pub(super) settings: Arc<config::ConnectCluster>,
    /// `None` if the settings cannot be used, which a checked configuration does not allow.
    client: Option<Renewed<Client>>,
    nodes: Vec<Node>,
    pub(super) cluster: Cluster,
    /// The connectors that were known last, also if they are not known now.
    known: Option<Arc<Connectors>>,
    /// The worker that returned the connectors last.
    asked: usize,
    /// The state after the last cycle, as it was logged.
    logged: State,
}

/// The times of a cycle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) begun: Instant,
    /// The longest time of the cycle.
    pub(super) limit: Duration,
    /// The begin on the wall clock.
    pub(super) at: SystemTime,
}

/// What one worker answered about itself.
struct Answers {
    root: Result<Answer<Root>, Failure>,
    /// `None` if the worker was not asked.
    health: Option<Result<Duration, Failure>>,
}

impl Checker {
    /// A Connect cluster that was not asked yet, which uses a Kafka cluster.
    pub(super) fn new(kafka: &str, settings: &config::ConnectCluster) -> Self {
        let nodes: Vec<Node> = settings.service.nodes.iter().map(Node::new).collect();
        let client = client(kafka, settings).ok().map(|client| {
            let named = format!("[connect:{}]", settings.name);
            Renewed::new(client, settings.service.paths(), named)
        });
        let workers = nodes.iter().map(|node| (node.name.clone(), Worker::new())).collect();
        let cluster =
            Cluster { workers, connectors: None, reading: None, max_connectors: settings.max_connectors };
        let (kafka, settings) = (kafka.to_owned(), Arc::new(settings.clone()));
        Self { kafka, settings, client, nodes, cluster, known: None, asked: 0, logged: State::Ok }
    }

    /// Runs one cycle. `id` is the id of the Kafka cluster, if it is known. Returns the parts whose failure is an event.
    pub(super) async fn check(&mut self, window: Window, id: Option<&str>) -> Vec<FailedPart> {
        let Some(client) = self.client().await else { return Vec::new() };
        let deadline = window.begun + window.limit * 4 / 10;
        let answers = self.nodes.iter().map(|node| {
            let worker = self.cluster.workers.get(&node.name);
            ask(&client, node, deadline, worker.is_some_and(|worker| !worker.is_mute))
        });
        let answers = join_all(answers).await;
        for (node, answers) in self.nodes.iter().zip(answers) {
            if let Some(worker) = self.cluster.workers.get_mut(&node.name) {
                worker.add(answers, id, window.at);
            }
        }
        let failed = self.read(&client, window).await;
        self.note(id);
        failed
    }

    /// Whether a request failed for a reason of this process.
    pub(super) fn own_fault(&self) -> Option<Fault> {
        let failing =
            self.cluster.workers.values().filter_map(|worker| worker.of(Request::Worker).failing.as_ref());
        failing.map(|failing| failing.fault).find(|fault| *fault == Fault::Descriptors)
    }

    /// The client with the certificates and secrets that their files hold now.
    async fn client(&self) -> Option<Client> {
        let (kafka, settings) = (self.kafka.clone(), self.settings.clone());
        let read = move || {
            let service = settings.service.reread()?;
            client(&kafka, &config::ConnectCluster { service, ..(*settings).clone() })
                .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        Some(self.client.as_ref()?.latest(read).await)
    }

    /// Asks the worker that returned the connectors last, and others if it fails.
    async fn read(&mut self, client: &Client, window: Window) -> Vec<FailedPart> {
        self.cluster.connectors = None;
        let end = window.begun + window.limit * 9 / 10;
        let all = self.nodes.len();
        let is_up = |at: &usize| self.cluster.workers.get(&self.nodes[*at].name).is_some_and(Worker::is_up);
        let order: Vec<usize> =
            (0..all).map(|next| (self.asked + next) % all).filter(is_up).take(TRIES).collect();
        if order.is_empty() {
            self.cluster.reading = None;
        }
        let mut last = None;
        for (tried, at) in order.iter().enumerate() {
            let node = self.nodes[*at].clone();
            let left = u32::try_from(order.len() - tried).unwrap_or(1);
            let now = Instant::now();
            let deadline = now + end.saturating_duration_since(now) / left;
            let follow = (self.settings.clone(), self.known.clone(), window.at);
            let answer = api::connectors(client, &node, deadline, follow).await;
            if let Some(worker) = self.cluster.workers.get_mut(&node.name) {
                let took = answer.as_ref().map(|answer| answer.took);
                worker.measured[Request::Connectors as usize].add(took, window.at);
            }
            match answer {
                Ok(Answer { content: (connectors, failed), .. }) => {
                    let connectors = Arc::new(connectors);
                    self.known = Some(connectors.clone());
                    self.cluster.connectors = Some(connectors);
                    self.cluster.reading = None;
                    self.asked = *at;
                    return failed;
                }
                Err(failure) => last = Some(failure),
            }
        }
        if let Some(failure) = last {
            // The next cycle begins with the workers that this one had no time for.
            self.asked = order.last().map_or(0, |at| at + 1);
            self.cluster.reading = Some(Failing::add(self.cluster.reading.take(), &failure, window.at));
        }
        Vec::new()
    }

    /// Logs one line when the state of the Connect cluster changes.
    fn note(&mut self, id: Option<&str>) {
        let state = self.cluster.state();
        if std::mem::replace(&mut self.logged, state) == state {
            return;
        }
        let (cluster, connect) = (&self.kafka, self.settings.name.as_str());
        let wrong = self
            .cluster
            .workers
            .iter()
            .find_map(|(name, worker)| Some((name, worker.wrong_cluster.as_ref()?)));
        match (state, wrong) {
            (State::Ok, _) => tracing::info!(cluster, connect, "the Connect cluster works again"),
            (State::WrongCluster, Some((worker, found))) => tracing::warn!(
                cluster,
                connect,
                "worker {worker} uses the Kafka cluster {found}, and the id of cluster {cluster} is {}: correct [connect:{connect}] url or cluster",
                id.unwrap_or_default(),
            ),
            _ => tracing::warn!(
                cluster,
                connect,
                state = state.as_str(),
                reason = self.cluster.reason(),
                "the Connect cluster does not work as it should"
            ),
        }
    }
}

impl Worker {
    /// Takes in the answers of the worker. `id` is the id of the Kafka cluster that the worker should use.
    fn add(&mut self, answers: Answers, id: Option<&str>, at: SystemTime) {
        let Answers { root, health } = answers;
        self.measured[Request::Worker as usize].add(root.as_ref().map(|answer| answer.took), at);
        let Ok(Answer { content: Root { version, kafka_cluster_id }, .. }) = root else {
            self.wrong_cluster = None;
            return;
        };
        let version = plain(&version);
        if self.version.as_ref() != Some(&version) {
            self.version = Some(version);
            self.is_mute = false;
        }
        let is_wrong = |found: &String| id.is_some_and(|id| id != found);
        self.wrong_cluster = kafka_cluster_id.filter(is_wrong).map(|found| plain(&found));
        match health {
            None => {}
            // Kafka before 3.9 has no such request, and a proxy may not let it pass.
            Some(Err(Failure {
                fault: fault @ (Fault::NotFound | Fault::Unauthorized | Fault::Forbidden),
                ..
            })) => {
                (self.says_health, self.is_mute) = (false, fault == Fault::NotFound);
                self.measured[Request::Health as usize].failing = None;
            }
            Some(health) => {
                self.says_health = true;
                self.measured[Request::Health as usize].add(health.as_ref().copied(), at);
            }
        }
    }
}

/// The answers of a worker. It is asked for its health only if it may offer that.
async fn ask(client: &Client, node: &Node, deadline: Instant, with_health: bool) -> Answers {
    let root = api::root(client, node, deadline).await;
    let health = match &root {
        Ok(_) if with_health => Some(api::health(client, node, deadline).await.map(|answer| answer.took)),
        _ => None,
    };
    Answers { root, health }
}

/// The client of a Connect cluster.
///
/// # Errors
/// Every key of its section that cannot be used.
pub(super) fn client(kafka: &str, settings: &config::ConnectCluster) -> Result<Client, Vec<PropertyError>> {
    Client::new(&format!("{kafka} (Connect cluster {})", settings.name), &settings.service)
}
