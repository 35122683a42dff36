//! A Lease of `coordination.k8s.io/v1`, as far as an election needs it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A Lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    api_version: String,
    kind: String,
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: Spec,
}

/// The name of the object, and its version, which Kubernetes compares when the object is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    name: String,
    namespace: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    resource_version: String,
    /// Kept as they are when the object is replaced: a chart or a person may have set them.
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

/// Who holds the Lease, and since when. The times are those of the holder's own clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) holder_identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease_duration_seconds: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acquire_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) renew_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease_transitions: Option<i32>,
}

impl Record {
    /// A Lease that nobody holds and that is not stored yet.
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        let (name, namespace) = (name.to_owned(), namespace.to_owned());
        let metadata =
            Metadata { name, namespace, resource_version: String::new(), others: Default::default() };
        Self {
            api_version: "coordination.k8s.io/v1".to_owned(),
            kind: "Lease".to_owned(),
            metadata,
            spec: Spec::default(),
        }
    }

    /// The holder. `None` if the Lease was given up or never held.
    pub(super) fn holder(&self) -> Option<&str> {
        self.spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// How long the Lease lasts without a renewal. A holder that claims more than `longest` is believed no more than that.
    pub(super) fn duration(&self, least: Duration, longest: Duration) -> Duration {
        let seconds = self.spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Duration::from_secs(seconds.unwrap_or(0)).clamp(least, longest)
    }

    /// The Lease held by this instance, renewed at this time.
    pub(super) fn held_by(&self, identity: &str, duration: Duration, now: SystemTime) -> Self {
        let now = humantime::format_rfc3339_micros(now).to_string();
        let mut held = self.clone();
        let is_mine = self.holder() == Some(identity);
        let transitions = self.spec.lease_transitions.unwrap_or(0);
        held.spec = Spec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
            acquire_time: if is_mine { self.spec.acquire_time.clone() } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if is_mine || self.spec.holder_identity.is_none() {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
        };
        held
    }

    /// The Lease given up at this time.
    pub(super) fn given_up(&self, now: SystemTime) -> Self {
        let mut free = self.held_by("", Duration::from_secs(1), now);
        free.spec.lease_transitions = self.spec.lease_transitions;
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_counts_its_holders_and_keeps_what_it_does_not_know() {
        let stored = serde_json::json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "l", "namespace": "n", "resourceVersion": "7", "labels": { "a": "b" } },
            "spec": { "holderIdentity": "one", "leaseDurationSeconds": 15, "leaseTransitions": 3 },
        });
        let stored: Record = serde_json::from_value(stored).expect("a Lease");
        let now = SystemTime::UNIX_EPOCH;
        let second = Duration::from_secs(1);
        let other = stored.held_by("two", 15 * second, now);
        assert_eq!((other.holder(), other.spec.lease_transitions), (Some("two"), Some(4)));
        assert_eq!(other.spec.renew_time.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        let renewed = other.held_by("two", 15 * second, now + second);
        assert_eq!(
            (renewed.spec.acquire_time, renewed.spec.lease_transitions),
            (other.spec.renew_time.clone(), Some(4))
        );
        let free = other.given_up(now);
        assert_eq!((free.holder(), free.spec.lease_transitions), (None, Some(4)));
        let written = serde_json::to_value(&free).expect("JSON");
        assert_eq!(
            (&written["metadata"]["labels"]["a"], &written["metadata"]["resourceVersion"]),
            (&"b".into(), &"7".into())
        );
        assert_eq!(Record::new("n", "l").held_by("one", second, now).spec.lease_transitions, Some(0));
    }

    #[test]
    fn duration_of_a_lying_holder_has_bounds() {
        let mut lease = Record::new("n", "l");
        let (least, longest) = (Duration::from_secs(15), Duration::from_secs(60));
        for (seconds, expected) in
            [(None, 15), (Some(-1), 15), (Some(1), 15), (Some(30), 30), (Some(i32::MAX), 60)]
        {
            lease.spec.lease_duration_seconds = seconds;
            assert_eq!(lease.duration(least, longest).as_secs(), expected, "{seconds:?}");
        }
    }
}
