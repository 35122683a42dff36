//! What the verdict goes by, and the judgement itself: a pure function.

use super::{state::State, window::Change};
use crate::{
    cluster::metadata,
    kafka::Fault,
    probe::{connectivity, topic},
    task::Latest,
    text,
};

/// So many brokers that cannot be reached are named, each in a reason of its own. The others are counted.
const NAMED: usize = 5;

/// Everything that the verdict goes by, of one moment.
pub(super) struct Evidence<'a> {
    /// Whether heartbeats are sent.
    pub(super) enabled: bool,
    /// Whether the process of the service itself works.
    pub(super) prober_healthy: bool,
    /// Whether the process had no file descriptor left within the last half minute.
    pub(super) short_of_descriptors: bool,
    /// How far the counts of heartbeats moved.
    pub(super) change: Change,
    /// The partitions and brokers that bad heartbeats were sent to, as reasons.
    pub(super) affected: Vec<String>,
    /// The brokers, leaders and replicas that the metadata lack, as reasons.
    pub(super) missing: Vec<String>,
    /// The metadata of the cluster.
    pub(super) metadata: &'a Latest<metadata::Snapshot>,
    /// Sessions with each broker.
    pub(super) connectivity: &'a Latest<connectivity::Snapshot>,
    /// The heartbeat topic.
    pub(super) topic: &'a Latest<topic::Snapshot>,
}

impl Evidence<'_> {
    /// The state of the cluster, and the reasons.
    pub(super) fn judge(&self) -> (State, Vec<String>) {
        if self.short_of_descriptors {
            let remedy = Fault::Descriptors.hint().unwrap_or_default();
            let reason = format!(
                "this process has run out of descriptors within the last half minute and could open no connection: {remedy}"
            );
            return (State::ProberFault, vec![reason]);
        }
        if !self.prober_healthy {
            let reason =
                "this process was stalled within the last half minute: its numbers say little of Kafka";
            return (State::ProberFault, vec![reason.to_owned()]);
        }
        let mut failures = [&self.metadata.failure, &self.connectivity.failure].into_iter().flatten();
        if let Some(failure) = failures.find(|failure| failure.fault.is_ours()) {
            let reason = match failure.fault {
                Fault::Descriptors => format!("this process has run out of descriptors: {}", failure.message),
                _ => format!("this process cannot log in, and Kafka is not the reason: {}", failure.message),
            };
            return (State::ProberFault, vec![reason]);
        }
        let mut reasons = self.reasons();
        let Change { events, bad, length, .. } = self.change;
        let silent = events == 0;
        let state = match (self.enabled, silent) {
            (true, true) | (false, _) if self.metadata.failure.is_some() => State::Down,
            (true, true) => State::Unknown,
            _ if bad > 0 && bad == events => State::Down,
            (false, _) if self.metadata.fresh().is_none() => State::Unknown,
            _ if reasons.is_empty() => State::Ok,
            _ => State::Degraded,
        };
        if state == State::Unknown {
            reasons.push(format!("nothing was judged within the last {}", text::duration(length)));
        }
        (state, reasons)
    }

    fn reasons(&self) -> Vec<String> {
        let Change { events, bad, lost, length } = self.change;
        let length = text::duration(length);
        let mut reasons = Vec::new();
        if lost > 0 {
            reasons.push(format!("{lost} acknowledged heartbeats were lost within the last {length}"));
        }
        if bad > 0 {
            reasons.push(format!("{bad} of {events} heartbeats within the last {length} were bad"));
        }
        if lost > 0 || bad > 0 {
            reasons.extend(self.affected.iter().cloned());
        }
        if let Some(failure) = &self.metadata.failure {
            reasons.push(format!("metadata: {}", failure.message));
        }
        reasons.extend(self.unreachable());
        reasons.extend(self.missing.iter().cloned());
        if let Some(topic) = self.topic.fresh().filter(|topic| self.enabled && !topic.ready) {
            reasons.push(if topic.blocked.contains(&topic::Blocked::Denied) {
                format!(
                    "authorization: the principal has no permission to describe or to create the heartbeat topic {}",
                    topic.topic
                )
            } else {
                format!("the heartbeat topic {} is not ready", topic.topic)
            });
        }
        reasons
    }

    /// The brokers that cannot be reached, each with the stage that failed.
    fn unreachable(&self) -> Vec<String> {
        let Some(snapshot) = self.connectivity.fresh() else { return Vec::new() };
        let failed = snapshot.brokers.iter().filter_map(|(id, check)| Some((id, check.failure.as_ref()?)));
        let failed: Vec<_> = failed.collect();
        let named = failed.iter().take(NAMED).map(|(id, connectivity::Failure { stage, fault, .. })| {
            format!("broker {id} cannot be reached: {}", stage.failed(*fault))
        });
        let more = failed.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("{more} more brokers cannot be reached"));
        named.chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::kafka::Stage;

    const LENGTH: Duration = Duration::from_secs(30);

    fn judged(
        enabled: bool,
        healthy: bool,
        (events, bad, lost): (u64, u64, u64),
        fails: bool,
    ) -> (State, String) {
        let (interval, unknown) = (Duration::from_secs(5), Latest::new(Duration::from_secs(5)));
        let mut metadata = Latest::new(interval);
        metadata.failure = fails.then(|| crate::task::Failure {
            fault: Fault::Refused,
            stage: Some(Stage::Tcp),
            message: "b1:9092: refused".to_owned(),
            since: SystemTime::now(),
        });
        let change = Change { length: LENGTH, events, bad, lost };
        let connectivity = &Latest::new(interval);
        let evidence = Evidence {
            enabled,
            prober_healthy: healthy,
            short_of_descriptors: false,
            change,
            affected: Vec::new(),
            missing: Vec::new(),
            metadata: &metadata,
            connectivity,
            topic: &unknown,
        };
        let (state, reasons) = evidence.judge();
        (state, reasons.join("; "))
    }

    #[test]
    fn state_follows_the_heartbeats() {
        let table = [
            ((true, true, (90, 0, 0), false), State::Ok, ""),
            (
                (true, true, (90, 1, 0), false),
                State::Degraded,
                "1 of 90 heartbeats within the last 30 s were bad",
            ),
            (
                (true, true, (90, 90, 0), false),
                State::Down,
                "90 of 90 heartbeats within the last 30 s were bad",
            ),
            (
                (true, true, (90, 0, 2), false),
                State::Degraded,
                "2 acknowledged heartbeats were lost within the last 30 s",
            ),
            ((true, true, (90, 0, 0), true), State::Degraded, "metadata: b1:9092: refused"),
            ((true, true, (0, 0, 0), true), State::Down, "metadata: b1:9092: refused"),
            ((true, true, (0, 0, 0), false), State::Unknown, "nothing was judged within the last 30 s"),
            ((false, true, (0, 0, 0), true), State::Down, "metadata: b1:9092: refused"),
            ((false, true, (0, 0, 0), false), State::Unknown, "nothing was judged within the last 30 s"),
        ];
        for ((enabled, healthy, change, fails), state, reason) in table {
            assert_eq!(judged(enabled, healthy, change, fails), (state, reason.to_owned()));
        }
        assert_eq!(
            judged(true, false, (90, 90, 0), true).0,
            State::ProberFault,
            "a fault of the prober is no verdict about Kafka"
        );
    }

    #[test]
    fn shortage_of_descriptors_is_a_fault_of_the_prober_and_is_named_with_its_remedy() {
        let (unknown, connectivity) = (Latest::new(LENGTH), Latest::new(LENGTH));
        let evidence = Evidence {
            enabled: true,
            prober_healthy: false,
            short_of_descriptors: true,
            change: Change { length: LENGTH, events: 90, bad: 90, lost: 0 },
            affected: Vec::new(),
            missing: vec!["missing: broker 3".to_owned()],
            metadata: &Latest::new(LENGTH),
            connectivity: &connectivity,
            topic: &unknown,
        };
        let reason = "this process has run out of descriptors within the last half minute and could open no connection: \
                      raise the limit of open files of kafka-heartbeat: LimitNOFILE in a systemd unit, ulimit -n in a shell";
        assert_eq!(evidence.judge(), (State::ProberFault, vec![reason.to_owned()]));
    }

    #[test]
    fn missing_broker_degrades_although_every_heartbeat_is_good() {
        let (unknown, connectivity) = (Latest::new(LENGTH), Latest::new(LENGTH));
        let evidence = Evidence {
            enabled: true,
            prober_healthy: true,
            short_of_descriptors: false,
            change: Change { length: LENGTH, events: 90, bad: 0, lost: 0 },
            affected: Vec::new(),
            missing: vec!["missing: broker 3".to_owned()],
            metadata: &Latest::new(LENGTH),
            connectivity: &connectivity,
            topic: &unknown,
        };
        assert_eq!(evidence.judge(), (State::Degraded, vec!["missing: broker 3".to_owned()]));
    }
}
