//! `[ha]`: several instances of the service, of which one collects.

use std::{path::PathBuf, time::Duration};

use super::{heartbeat::host_name, reader::Reader};

/// What brokers allow by default: `group.min.session.timeout.ms`.
const SHORTEST_SESSION: Duration = Duration::from_secs(6);

/// `[ha]`
#[derive(Debug, Clone, PartialEq)]
pub struct Ha {
    /// How the instance that collects is elected.
    pub provider: Provider,
    /// The name of this instance in the election. Instances may share a name, but then the log does not tell which one leads.
    pub instance: String,
}

/// How the instance that collects is elected.
#[derive(Debug, Clone, PartialEq)]
pub enum Provider {
    /// There is no election: each instance collects.
    None,
    /// By a group in Kafka.
    Kafka(KafkaGroup),
    /// By a Lease in Kubernetes.
    Kubernetes(KubernetesLease),
}

/// The group in Kafka whose members are the instances.
#[derive(Debug, Clone, PartialEq)]
pub struct KafkaGroup {
    /// The cluster with the group; `None` is the first one.
    pub cluster: Option<String>,
    /// The name of the group.
    pub group: String,
    /// Kafka removes an instance that is silent for this time. At least six seconds, which brokers allow by default.
    pub session_timeout: Duration,
}

/// The Lease in Kubernetes that the leader holds.
#[derive(Debug, Clone, PartialEq)]
pub struct KubernetesLease {
    /// The name of the Lease.
    pub lease: String,
    /// The namespace of the Lease; `None` is the namespace of the pod.
    pub namespace: Option<String>,
    /// The address of the API server; `None` is the one that Kubernetes names in the environment of each pod.
    pub server: Option<String>,
    /// The folder with the files `token`, `ca.crt` and `namespace` of the service account.
    pub credentials: PathBuf,
}

impl Ha {
    /// `clusters` are the names of the configured clusters.
    pub(super) fn read(mut ha: Reader<'_>, clusters: &[&str]) -> Self {
        let provider = match ha.text("provider") {
            "none" => Provider::None,
            "kafka" => Provider::Kafka(KafkaGroup::read(&mut ha, clusters)),
            "kubernetes" => Provider::Kubernetes(KubernetesLease::read(&ha)),
            _ => {
                ha.expected("provider", "none, kafka or kubernetes");
                Provider::None
            }
        };
        let instance = match ha.text("instance") {
            "auto" => host_name(),
            name => name.to_owned(),
        };
        Self { provider, instance }
    }
}

impl KafkaGroup {
    fn read(ha: &mut Reader<'_>, clusters: &[&str]) -> Self {
        let cluster = ha.optional("cluster").map(str::to_owned);
        if cluster.as_deref().is_some_and(|name| !clusters.contains(&name)) {
            ha.expected("cluster", &format!("a configured cluster, one of {}", clusters.join(", ")));
        }
        let group = ha.text("group").to_owned();
        if group.is_empty() || group.chars().any(char::is_control) {
            ha.expected("group", "the name of a group");
        }
        let session_timeout = ha.duration("session.timeout");
        if session_timeout < SHORTEST_SESSION {
            let least = humantime::format_duration(SHORTEST_SESSION);
            ha.problem("session.timeout", &format!("must be at least {least}: brokers refuse less"));
        }
        Self { cluster, group, session_timeout }
    }
}

impl KubernetesLease {
    fn read(ha: &Reader<'_>) -> Self {
        Self {
            lease: ha.text("lease").to_owned(),
            namespace: ha.optional("namespace").map(str::to_owned),
            server: ha.optional("kubernetes.server").map(str::to_owned),
            credentials: ha.text("kubernetes.credentials").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_support::{config, errors};

    #[test]
    fn election_is_off_without_a_provider() {
        assert_eq!(config(&[]).ha.provider, Provider::None);
    }

    #[test]
    fn group_is_in_the_named_cluster() {
        let provider = ("ha", "provider", "kafka");
        let Provider::Kafka(group) = config(&[provider]).ha.provider else { panic!("a group") };
        assert_eq!((group.cluster, &*group.group), (None, "kafka-heartbeat-instances"));
        assert_eq!(group.session_timeout, Duration::from_secs(10));
        let wrong = errors(&[provider, ("ha", "cluster", "elsewhere")]);
        assert!(wrong.contains("[ha] cluster: expected a configured cluster, one of "), "{wrong}");
        let wrong = errors(&[provider, ("ha", "session.timeout", "2s")]);
        assert!(wrong.contains("[ha] session.timeout: must be at least 6s"), "{wrong}");
    }

    #[test]
    fn lease_has_the_credentials_of_the_pod() {
        let Provider::Kubernetes(lease) = config(&[("ha", "provider", "kubernetes")]).ha.provider else {
            panic!("a lease")
        };
        assert_eq!((&*lease.lease, lease.namespace, lease.server), ("kafka-heartbeat", None, None));
        assert!(lease.credentials.starts_with("/var/run/secrets"));
    }

    #[test]
    fn provider_with_a_typing_error_is_an_error() {
        let wrong = errors(&[("ha", "provider", "zookeeper")]);
        assert!(wrong.contains("[ha] provider: expected none, kafka or kubernetes"), "{wrong}");
    }
}
