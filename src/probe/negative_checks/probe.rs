//! The task.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use futures_util::future::join_all;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use super::{
    attempt::{Answer, Attempt},
    snapshot::Snapshot,
    state::{Changes, State},
};
use crate::{
    cluster::metadata,
    config,
    kafka::{
        BrokerId, Error, Fault, Reception, StrangeClient, Stranger,
        admin::{self, Broker, TopicOperations},
        wire::{self, Endpoint},
    },
    task::{Cycle, Latest},
    text::Chain,
};

/// The number of brokers at which something is tried at the same time.
const MOST_AT_ONCE: usize = 256;

/// The task that tries what the cluster should refuse.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    /// The settings of the wire client, with the login that the cluster accepts.
    client: Arc<wire::Client>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    state: State,
    /// Whether it was logged that there is nothing to try.
    logged: bool,
}

impl Probe {
    /// A task that has tried nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        client: Arc<wire::Client>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        Self { cluster, client, metadata, state: State::default(), logged: false }
    }

    /// The clients that the cluster should refuse, as far as they are wanted and come in another way than this service does.
    fn strangers(&self) -> Vec<(Stranger, StrangeClient)> {
        let settings = &self.cluster.negative_checks;
        let wanted = |stranger: &Stranger| match stranger {
            Stranger::Anonymous => settings.anonymous,
            Stranger::WrongPassword => settings.wrong_password,
            Stranger::Plaintext => settings.plaintext,
        };
        let made = |stranger| Some((stranger, StrangeClient::new(&self.client, stranger, &settings.user)?));
        Stranger::ALL.into_iter().filter(wanted).filter_map(made).collect()
    }

    /// Logs once that there is nothing to try.
    fn note_nothing(&mut self) {
        if !std::mem::replace(&mut self.logged, true) {
            let cluster = &self.cluster.name;
            tracing::warn!(
                cluster,
                "[negative_checks] has nothing to try: this service itself comes without a login, a client certificate and TLS, and \
                 forbidden.topics names no topic"
            );
        }
    }

    /// Logs what was accepted, and what is refused again.
    fn note(&self, changes: &Changes) {
        let cluster = &self.cluster.name;
        for acceptance in &changes.opened {
            let (broker, attempt) = (acceptance.broker, &acceptance.attempt);
            tracing::error!(cluster, %broker, "the broker accepts what it should refuse: {attempt}");
        }
        for (broker, attempt) in &changes.closed {
            tracing::info!(cluster, %broker, "the broker refuses again what it had accepted: {attempt}");
        }
    }
}

/// Tries everything at one broker, one attempt after the other. Each attempt has its share of the time that is left, so that a broker
/// that does not answer one of them still answers the others.
async fn try_all(
    client: &wire::Client,
    strangers: &[(Stranger, StrangeClient)],
    topics: &[String],
    broker: &Endpoint,
    end: Instant,
) -> Vec<(Attempt, Answer)> {
    let mut receptions = Vec::new();
    // One more for a session of the service's own, and one for the topics.
    let mut left = u32::try_from(strangers.len()).unwrap_or(u32::MAX - 2) + 2;
    let mut deadline = || {
        let now = Instant::now();
        let share = end.saturating_duration_since(now) / left.max(1);
        left = left.saturating_sub(1);
        now + share
    };
    for (stranger, strange) in strangers {
        let reception = strange.try_at(broker, deadline()).await;
        let reception = reception.inspect_err(|error| {
            tracing::debug!("a negative check has no answer: {}", Chain(error));
        });
        receptions.push((*stranger, reception.ok()));
    }
    // A session that was ended without an answer was refused only if the broker serves the service itself at this time.
    let has_ended = receptions.iter().any(|(_, reception)| *reception == Some(Reception::Ended));
    let own = if has_ended || !topics.is_empty() {
        let opened = wire::open_until(client, broker, deadline()).await.result;
        opened
            .inspect_err(|error| tracing::debug!("the broker does not serve the service: {}", Chain(error)))
            .ok()
    } else {
        None
    };
    let answer = |reception| match reception {
        Some(Reception::Accepted) => Answer::Accepted,
        Some(Reception::Refused) => Answer::Refused,
        Some(Reception::Ended) if own.is_some() => Answer::Refused,
        Some(Reception::Ended) | None => Answer::Unknown,
    };
    let answers = receptions.into_iter();
    let mut answers: Vec<_> =
        answers.map(|(stranger, reception)| (Attempt::session(stranger), answer(reception))).collect();
    if !topics.is_empty() {
        let operations = operations(own.as_ref(), topics, deadline()).await;
        answers.extend(topics.iter().map(|topic| (Attempt::topic(topic), of_topic(&operations, topic))));
    }
    answers
}

/// What the principal may do with the topics, as a broker says in a session of the service's own.
async fn operations(
    session: Option<&wire::Connection>,
    topics: &[String],
    deadline: Instant,
) -> BTreeMap<String, Result<TopicOperations, Fault>> {
    let Some(session) = session else { return BTreeMap::new() };
    let operations = admin::topic_operations(session, topics, deadline).await;
    operations
        .inspect_err(|error| tracing::debug!("the forbidden topics are not known: {error}"))
        .unwrap_or_default()
}

/// A topic that does not exist says nothing of the permissions.
fn of_topic(operations: &BTreeMap<String, Result<TopicOperations, Fault>>, topic: &str) -> Answer {
    match operations.get(topic) {
        Some(Ok(TopicOperations { read: false, write: false }) | Err(Fault::Authorization)) => {
            Answer::Refused
        }
        Some(Ok(_)) => Answer::Accepted,
        Some(Err(_)) | None => Answer::Unknown,
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let settings = self.cluster.negative_checks.clone();
        let metadata = metadata::first(&mut self.metadata, settings.timeout / 4).await?;
        let strangers = self.strangers();
        if strangers.is_empty() && settings.topics.is_empty() {
            self.note_nothing();
        }
        let slots = &Semaphore::new(MOST_AT_ONCE);
        let (client, strangers, topics) = (&self.client, &strangers, &settings.topics);
        let end = Instant::now() + settings.timeout * 3 / 4;
        let tried = metadata.brokers.iter().map(|(id, broker): (&BrokerId, &Broker)| async move {
            let _slot = slots.acquire().await;
            let endpoint = broker.endpoint();
            let answers = try_all(client, strangers, topics, &endpoint, end).await;
            answers.into_iter().map(|(attempt, answer)| (*id, attempt, answer)).collect::<Vec<_>>()
        });
        let answers = join_all(tried).await.concat();
        let listed = metadata.brokers.keys().copied().collect();
        let changes = self.state.add(&listed, answers, SystemTime::now());
        self.note(&changes);
        Ok(self.state.snapshot())
    }
}
