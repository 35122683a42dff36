//! Sessions with the brokers of one cluster: the address of each broker, and one connection to each.
//!
//! A connection is opened by the first request to its broker. Each broker's connection has a lock of its own, so that a
//! broker that hangs delays only the requests to this broker. A request is sent a second time only if an idle connection
//! turned out to be closed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kafka_protocol::protocol::Request;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{
    super::{Client, Connection, Endpoint, VersionRange, request_limits::RequestLimits, stages},
    candidates::CandidateOrder,
};
use crate::{
    kafka::{Access, BrokerId, Error, Fault},
    sync::lock,
};

/// Sessions with the brokers of one cluster.
pub struct Cluster {
    pub(super) client: Arc<Client>,
    pub(super) timeout: Duration,
    /// Whether a broker that timed out gets no more requests until the circuit breakers are closed.
    breaks_circuits: bool,
    state: Mutex<ClusterState>,
    /// The number of requests that were sent, without those that open a session.
    requests: AtomicU64,
}

#[derive(Default)]
pub(super) struct ClusterState {
    pub(super) brokers: BTreeMap<BrokerId, Endpoint>,
    controller: Option<BrokerId>,
    pub(super) candidates: CandidateOrder,
    connections: BTreeMap<Endpoint, Arc<ConnectionSlot>>,
    /// The endpoints with an open circuit breaker: they timed out, and get no more requests.
    timed_out: BTreeSet<Endpoint>,
}

/// The connection to one endpoint. `None` before the first request.
type ConnectionSlot = AsyncMutex<Option<Connection>>;

impl Cluster {
    /// Does not connect yet. `timeout` is the limit for one request, which includes opening a session.
    pub fn new(client: Arc<Client>, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            breaks_circuits: false,
            state: Mutex::default(),
            requests: AtomicU64::default(),
        }
    }

    /// Turns on circuit breakers: after a timeout a broker gets no more requests until [`Cluster::begin_cycle`]. A caller that
    /// sends a broker several requests in a row waits for the timeout only once.
    #[must_use]
    pub fn with_circuit_breakers(mut self) -> Self {
        self.breaks_circuits = true;
        self
    }

    /// The same cluster with connections of its own and another limit for one request.
    pub fn with_own_connections(&self, timeout: Duration) -> Self {
        Self::new(self.client.clone(), timeout)
    }

    /// What librdkafka's clients of the same cluster log in with.
    pub fn access(&self) -> Access {
        self.client.access()
    }

    /// The client that opens the sessions.
    pub(in crate::kafka) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The addresses of the brokers in the last metadata, and then the bootstrap servers, each once.
    pub(in crate::kafka) fn endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints: Vec<_> = self.state().brokers.values().cloned().collect();
        let bootstrap = self.client.bootstrap();
        let others: Vec<_> = bootstrap.iter().filter(|server| !endpoints.contains(server)).cloned().collect();
        endpoints.extend(others);
        endpoints
    }

    /// Whether this process has a credential with which it can log in now, or needs none.
    pub fn can_log_in(&self) -> bool {
        self.client.can_log_in()
    }

    /// The number of requests that this instance has sent since its start, without those that open a session. A request that
    /// is sent to several brokers counts for each of them.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The limit for one request.
    pub(in crate::kafka) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ClusterState> {
        lock(&self.state)
    }

    /// Takes over the addresses of the brokers. Connections to endpoints that are no longer listed are closed.
    pub(in crate::kafka) fn learn(
        &self,
        brokers: BTreeMap<BrokerId, Endpoint>,
        controller: Option<BrokerId>,
    ) {
        let mut state = self.state();
        let bootstrap = self.client.bootstrap();
        let listed: BTreeSet<&Endpoint> = brokers.values().chain(bootstrap).collect();
        state.connections.retain(|endpoint, _| listed.contains(endpoint));
        state.candidates.retain(|endpoint| listed.contains(endpoint));
        // A controller that is no live broker gets no requests. Under KRaft any broker passes them on to the controller.
        state.controller = controller.filter(|controller| brokers.contains_key(controller));
        state.brokers = brokers;
    }

    /// Begins a cycle of a task with connections of its own: takes over the addresses of the brokers from another instance for the
    /// same cluster, and closes the circuit breakers, so that brokers that timed out get requests again.
    pub fn begin_cycle(&self, known: &Self) {
        self.state().timed_out.clear();
        let (brokers, controller) = {
            let state = known.state();
            (state.brokers.clone(), state.controller)
        };
        self.learn(brokers, controller);
    }

    /// The controller in the last metadata. `None` if the metadata named no live broker. Under KRaft this is any broker,
    /// which passes requests on to the controller.
    pub(in crate::kafka) fn controller(&self) -> Option<BrokerId> {
        self.state().controller
    }

    /// Sends a request to a broker, and waits for the response.
    ///
    /// # Errors
    /// [`Fault::NoLeader`] for a broker that the metadata does not list. Otherwise the reason why there is no response.
    pub async fn ask<R: Request>(
        &self,
        broker: BrokerId,
        request: &R,
        ours: VersionRange,
    ) -> Result<R::Response, Error> {
        self.ask_timed(broker, request, ours).await.map(|(response, _)| response)
    }

    /// As [`Cluster::ask`], with the time from sending the request to the whole response. Opening a session is not included.
    pub(in crate::kafka) async fn ask_timed<R: Request>(
        &self,
        broker: BrokerId,
        request: &R,
        ours: VersionRange,
    ) -> Result<(R::Response, Duration), Error> {
        let endpoint = self.state().brokers.get(&broker).cloned();
        let unknown = || Error::new(Fault::NoLeader, format!("broker {broker} is not in the metadata"));
        let endpoint = endpoint.ok_or_else(unknown)?;
        let limits = RequestLimits { deadline: Instant::now() + self.timeout, logins: None };
        self.ask_endpoint(&endpoint, request, ours, limits).await
    }

    /// Sends a request to an endpoint. The result has the time from sending the request to the whole response.
    pub(super) async fn ask_endpoint<R: Request>(
        &self,
        endpoint: &Endpoint,
        request: &R,
        ours: VersionRange,
        limits: RequestLimits<'_>,
    ) -> Result<(R::Response, Duration), Error> {
        if self.state().timed_out.contains(endpoint) {
            return Err(Error::new(Fault::Timeout, format!("{endpoint} timed out before")));
        }
        let asked = async {
            let (connection, fresh) = self.connection(endpoint, limits).await?;
            self.requests.fetch_add(1, Ordering::Relaxed);
            let asked = connection.ask_timed(request, ours, limits.deadline).await;
            if !fresh && asked.as_ref().is_err_and(|error| error.fault() == Fault::Disconnected) {
                let (connection, _) = self.connection(endpoint, limits).await?;
                self.requests.fetch_add(1, Ordering::Relaxed);
                return connection.ask_timed(request, ours, limits.deadline).await;
            }
            asked
        };
        let asked = asked.await;
        if self.breaks_circuits && asked.as_ref().is_err_and(|error| error.fault() == Fault::Timeout) {
            self.state().timed_out.insert(endpoint.clone());
        }
        asked
    }

    /// An open connection to an endpoint, and whether it was opened just now.
    async fn connection(
        &self,
        endpoint: &Endpoint,
        limits: RequestLimits<'_>,
    ) -> Result<(Connection, bool), Error> {
        let slot = self.state().connections.entry(endpoint.clone()).or_default().clone();
        let waited = tokio::time::timeout_at(limits.deadline, slot.lock()).await;
        let mut slot = waited.map_err(|_| Error::new(Fault::Timeout, endpoint.to_string()))?;
        if let Some(connection) = slot.clone().filter(Connection::is_open)
            && self.keep_session(endpoint, &connection, limits).await?
        {
            return Ok((connection, false));
        }
        let connection = stages::open_within(&self.client, endpoint, limits).await.result?;
        *slot = Some(connection.clone());
        Ok((connection, true))
    }

    /// Logs in again if the session of an open connection ends soon. `false` if the broker refuses that, for example because
    /// the user is another one now: then a fresh session tells what is wrong.
    ///
    /// # Errors
    /// The fault of this process if it has no credential, and [`Fault::Timeout`] at the deadline.
    async fn keep_session(
        &self,
        endpoint: &Endpoint,
        connection: &Connection,
        limits: RequestLimits<'_>,
    ) -> Result<bool, Error> {
        // Without a credential, the session is used until it ends.
        if !connection.needs_login() || !connection.has_ended() && !self.can_log_in() {
            return Ok(true);
        }
        match stages::log_in_again(&self.client, endpoint, connection, limits).await {
            Ok(()) => Ok(true),
            Err(error) if error.fault() == Fault::Timeout || error.fault().is_ours() => Err(error),
            Err(_) => Ok(false),
        }
    }
}
