//! The election of the instance that collects, in a cluster that a reload may start again.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::checked::Checked;
use crate::{
    config::{Ha, KafkaGroup, KubernetesLease, Provider},
    ha::{Candidate, Leadership, Lease, Member, Place, Standing, elect},
    kafka::wire,
    process::environment,
};

/// The election in which this instance takes part.
pub(super) struct Election {
    /// What this instance may do.
    pub(super) leadership: Leadership,
    settings: Ha,
    publish: watch::Sender<Arc<Standing>>,
    /// `None` without an election.
    running: Option<Running>,
}

/// A candidate that takes part.
struct Running {
    /// The client of the cluster with the group, unless the election is not one in Kafka.
    client: Option<Arc<wire::Client>>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Election {
    /// Starts the election that is configured. Nothing is collected before its first result.
    ///
    /// # Errors
    /// What cannot be used, and why.
    pub(super) fn start(settings: &Ha, checked: &[Checked]) -> Result<Self, String> {
        let first = match settings.provider {
            Provider::None => Standing::alone(),
            Provider::Kafka(_) | Provider::Kubernetes(_) => Standing::unknown(),
        };
        let (publish, standing) = watch::channel(Arc::new(first));
        let leadership = Leadership::new(standing);
        let mut election = Self { leadership, settings: settings.clone(), publish, running: None };
        election.running = match &settings.provider {
            Provider::None => None,
            Provider::Kafka(group) => Some(election.join(group, home(group, checked)?)),
            Provider::Kubernetes(lease) => {
                Some(election.run(Lease::new(place(lease)?, &settings.instance), None))
            }
        };
        Ok(election)
    }

    /// Takes part with the client that the cluster with the group has after a reload of the configuration.
    ///
    /// # Errors
    /// Why the group cannot be joined. This instance goes on with the client that it has.
    pub(super) async fn follow(&mut self, checked: &[Checked]) -> Result<(), String> {
        let Provider::Kafka(group) = self.settings.provider.clone() else { return Ok(()) };
        let client = home(&group, checked)?;
        let used = self.running.as_ref().and_then(|running| running.client.as_ref());
        if used.is_some_and(|used| Arc::ptr_eq(used, &client)) {
            return Ok(());
        }
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.running = Some(self.join(&group, client));
        Ok(())
    }

    fn join(&self, group: &KafkaGroup, client: Arc<wire::Client>) -> Running {
        let instance = &self.settings.instance;
        let member = Member::new(client.clone(), &group.group, instance, group.session_timeout, None);
        self.run(member, Some(client))
    }

    fn run(&self, candidate: impl Candidate, client: Option<Arc<wire::Client>>) -> Running {
        let stop = CancellationToken::new();
        let task = tokio::spawn(elect(candidate, self.publish.clone(), stop.clone()));
        Running { client, task, stop }
    }

    /// Gives the lead up, after everything that needs it has stopped.
    pub(super) async fn stop(self) {
        if let Some(running) = self.running {
            running.stop().await;
        }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        _ = self.task.await;
    }
}

/// Checks what is known of the election on the machine on which the service runs. Commands that write documents run elsewhere.
///
/// # Errors
/// The key that is missing here.
pub fn check(settings: &Ha) -> Result<(), String> {
    match &settings.provider {
        Provider::Kubernetes(lease) => place(lease).map(|_| ()),
        Provider::None | Provider::Kafka(_) => Ok(()),
    }
}

/// Where the Lease is: at the API server of the configuration, or at the one that Kubernetes names in the environment of each pod.
fn place(lease: &KubernetesLease) -> Result<Place, String> {
    let server = match &lease.server {
        Some(server) => server.clone(),
        None => {
            let environment = environment();
            let of_pod = |name: &str| environment.get(name).filter(|value| !value.is_empty());
            let host = of_pod("KUBERNETES_SERVICE_HOST");
            let (Some(host), Some(port)) = (host, of_pod("KUBERNETES_SERVICE_PORT")) else {
                return Err("[ha] kubernetes.server: set it outside of a pod of Kubernetes".to_owned());
            };
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            format!("https://{host}:{port}")
        }
    };
    let server = server.parse().map_err(|error| format!("[ha] kubernetes.server: {error}"))?;
    let KubernetesLease { lease: name, namespace, credentials, .. } = lease.clone();
    Ok(Place { server, credentials, namespace, name })
}

/// The client of the cluster with the group: the first one unless the configuration names another.
fn home(group: &KafkaGroup, checked: &[Checked]) -> Result<Arc<wire::Client>, String> {
    let is_home =
        |checked: &&Checked| group.cluster.as_ref().is_none_or(|name| *name == checked.cluster.name);
    let home = checked.iter().find(is_home).map(|checked| checked.wire.clone());
    home.ok_or_else(|| "[ha] cluster: this cluster is no longer configured".to_owned())
}
