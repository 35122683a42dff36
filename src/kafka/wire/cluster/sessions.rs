//! A cluster's brokers: where each one is, and one connection to each.
//!
//! Nothing is opened before something is asked. Each broker's connection has a lock of its own, so a
//! broker that hangs delays only those who ask it. A broker is asked a second time only when an idle
//! connection turned out to be closed. [`any`] asks what any broker can answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use kafka_protocol::protocol::Request;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{
    super::{Connection, Endpoint, Range, Settings, limits::Limits, stages},
    order::Order,
};
use crate::{
    kafka::{BrokerId, Error, Fault},
    sync::lock,
};

/// Sessions with the brokers of one cluster.
pub struct Cluster {
    pub(super) settings: Arc<Settings>,
    pub(super) timeout: Duration,
    /// Whether a broker that hangs is asked no more until it is forgiven.
    shuns: bool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) brokers: BTreeMap<BrokerId, Endpoint>,
    controller: Option<BrokerId>,
    pub(super) order: Order,
    slots: BTreeMap<Endpoint, Arc<Slot>>,
    /// Did not answer in time since they were last forgiven.
    hung: BTreeSet<Endpoint>,
}

type Slot = AsyncMutex<Option<Connection>>;

impl Cluster {
    /// Connects to nothing yet. `timeout` is for one question, with opening a session if need be.
    pub fn new(settings: Arc<Settings>, timeout: Duration) -> Self {
        Self { settings, timeout, shuns: false, state: Mutex::default() }
    }

    /// A broker that does not answer in time is asked no more, until [`Cluster::forgive`]: who asks it several
    /// questions one after the other waits for it once.
    #[must_use]
    pub fn shunning(mut self) -> Self {
        self.shuns = true;
        self
    }

    /// Gives brokers that hung another chance.
    pub fn forgive(&self) {
        self.state().hung.clear();
    }

    /// The same cluster by other connections, with another limit for one question.
    pub fn beside(&self, timeout: Duration) -> Self {
        Self::new(self.settings.clone(), timeout)
    }

    /// How sessions are opened.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How long one question may take.
    pub(in crate::kafka) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Learns where brokers are. Connections to endpoints that are gone are closed.
    pub(in crate::kafka) fn learn(
        &self,
        brokers: BTreeMap<BrokerId, Endpoint>,
        controller: Option<BrokerId>,
    ) {
        let mut state = self.state();
        let bootstrap = &self.settings.bootstrap;
        let listed: BTreeSet<&Endpoint> = brokers.values().chain(bootstrap).collect();
        state.slots.retain(|endpoint, _| listed.contains(endpoint));
        state.order.retain(|endpoint| listed.contains(endpoint));
        // A controller that is not among the live brokers cannot be asked: any other passes it on, or says so.
        state.controller = controller.filter(|controller| brokers.contains_key(controller));
        state.brokers = brokers;
    }

    /// Learns where brokers are from what another client of the cluster has learnt.
    pub fn learn_from(&self, other: &Self) {
        let (brokers, controller) = {
            let state = other.state();
            (state.brokers.clone(), state.controller)
        };
        self.learn(brokers, controller);
    }

    /// What Metadata last called the controller: under KRaft any broker passes requests on.
    pub(in crate::kafka) fn controller(&self) -> Option<BrokerId> {
        self.state().controller
    }

    /// Asks a broker.
    ///
    /// # Errors
    /// A broker that the metadata does not list is [`Fault::NoLeader`].
    pub async fn ask<R: Request>(
        &self,
        broker: BrokerId,
        request: &R,
        ours: Range,
    ) -> Result<R::Response, Error> {
        let endpoint = self.state().brokers.get(&broker).cloned();
        let unknown = || Error::new(Fault::NoLeader, format!("broker {broker} is not in the metadata"));
        let endpoint = endpoint.ok_or_else(unknown)?;
        let limits = Limits { deadline: Instant::now() + self.timeout, logins: None };
        let asked = self.ask_endpoint(&endpoint, request, ours, limits).await;
        asked.map(|(answer, _)| answer)
    }

    pub(super) async fn ask_endpoint<R: Request>(
        &self,
        endpoint: &Endpoint,
        request: &R,
        ours: Range,
        limits: Limits<'_>,
    ) -> Result<(R::Response, Duration), Error> {
        if self.state().hung.contains(endpoint) {
            return Err(Error::new(Fault::Timeout, format!("{endpoint} did not answer the question before")));
        }
        let asked = async {
            let (connection, fresh) = self.connection(endpoint, limits).await?;
            let asked = connection.ask_timed(request, ours, limits.deadline).await;
            if !fresh && asked.as_ref().is_err_and(|error| error.fault() == Fault::Disconnected) {
                let (connection, _) = self.connection(endpoint, limits).await?;
                return connection.ask_timed(request, ours, limits.deadline).await;
            }
            asked
        };
        let asked = asked.await;
        if self.shuns && asked.as_ref().is_err_and(|error| error.fault() == Fault::Timeout) {
            self.state().hung.insert(endpoint.clone());
        }
        asked
    }

    /// An open connection, and whether it was opened just now.
    async fn connection(&self, endpoint: &Endpoint, limits: Limits<'_>) -> Result<(Connection, bool), Error> {
        let slot = self.state().slots.entry(endpoint.clone()).or_default().clone();
        let waited = tokio::time::timeout_at(limits.deadline, slot.lock()).await;
        let mut slot = waited.map_err(|_| Error::new(Fault::Timeout, endpoint.to_string()))?;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok((connection.clone(), false));
        }
        let connection = stages::open_within(&self.settings, endpoint, limits).await.result?;
        *slot = Some(connection.clone());
        Ok((connection, true))
    }
}
