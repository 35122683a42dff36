//! Whether Kafka shows all topics and all groups to us. Kafka leaves out those that the principal may not describe, without an
//! error.
//!
//! This is asked once in ten minutes, and when the cluster has other brokers.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    cluster::metadata,
    kafka::{
        BrokerId, Capability, Error, Fault, Request,
        admin::{Visible, visible},
        capability::{BELIEVED_FOR, hidden},
        wire,
    },
};

/// How long an answer is kept if later requests fail: a broker that does not answer takes no permission away.
const KEPT_FOR: Duration = BELIEVED_FOR.saturating_mul(2);

/// The last answer, when it came, and the brokers of the cluster at that time.
#[derive(Debug, Default)]
pub(crate) struct Visibility {
    known: Option<(Visible, Instant)>,
    brokers: Vec<BrokerId>,
}

impl Visibility {
    /// What Kafka shows to us; absent while no broker has answered. A request that fails is sent again in the next cycle.
    pub(crate) async fn ask(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
    ) -> Option<Visible> {
        let brokers: Vec<_> = metadata.brokers.keys().copied().collect();
        if self.is_due(&brokers) {
            self.learn(visible(wire).await, brokers);
        }
        self.known.map(|(visible, _)| visible)
    }

    fn is_due(&self, brokers: &[BrokerId]) -> bool {
        self.brokers != brokers || self.known.is_none_or(|(_, at)| at.elapsed() >= BELIEVED_FOR)
    }

    fn learn(&mut self, answer: Result<Visible, Error>, brokers: Vec<BrokerId>) {
        match answer {
            Ok(visible) => (self.known, self.brokers) = (Some((visible, Instant::now())), brokers),
            // Brokers of this version do not report what they leave out.
            Err(error) if error.fault() == Fault::Unsupported => {
                (self.known, self.brokers) = (Some((Visible::default(), Instant::now())), brokers);
            }
            Err(_) => self.known = self.known.filter(|(_, at)| at.elapsed() < KEPT_FOR),
        }
    }
}

/// Whether all topics are visible.
pub(crate) fn described(visible: Option<Visible>, is_empty: bool) -> Capability {
    hidden(Capability::Ok, visible.and_then(|visible| visible.topics), is_empty)
}

/// The requests that Kafka answers and may answer in part. A request that no broker has answered is not among them.
pub(crate) fn hiding(
    visible: Option<Visible>,
    described: Capability,
    listing: Capability,
    is_listing: bool,
) -> Vec<Request> {
    let states = [(Request::Metadata, described, true), (Request::ListGroups, listing, is_listing)];
    let hides = |(_, state, answered): &(_, _, bool)| *answered && *state == Capability::Unknown;
    let hiding = states.into_iter().filter(|_| visible.is_some()).filter(hides);
    hiding.map(|(request, ..)| request).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn visibility_after_a_failed_request_keeps_the_answer_for_twenty_minutes() {
        let (mut visibility, brokers) = (Visibility::default(), vec![BrokerId(1), BrokerId(2)]);
        let all = Visible { topics: Some(true), groups: Some(false) };
        let failed = || Err(Error::new(Fault::Timeout, "no answer"));
        let known = |visibility: &Visibility| visibility.known.map(|(visible, _)| visible);
        visibility.learn(failed(), brokers.clone());
        assert!(known(&visibility).is_none() && visibility.is_due(&brokers), "no broker has answered");
        visibility.learn(Ok(all), brokers.clone());
        assert!(!visibility.is_due(&brokers));
        assert!(visibility.is_due(&brokers[..1]), "the cluster has other brokers");
        visibility.learn(failed(), brokers[..1].to_vec());
        assert_eq!(known(&visibility), Some(all), "a broker that died does not answer");
        assert!(visibility.is_due(&brokers[..1]), "the question is asked again");
        tokio::time::advance(BELIEVED_FOR).await;
        assert!(visibility.is_due(&brokers));
        visibility.learn(failed(), brokers.clone());
        assert_eq!(known(&visibility), Some(all));
        tokio::time::advance(BELIEVED_FOR).await;
        visibility.learn(failed(), brokers.clone());
        assert_eq!(known(&visibility), None, "the answer is too old");
        visibility.learn(Err(Error::new(Fault::Unsupported, "old brokers")), brokers.clone());
        assert_eq!(known(&visibility), Some(Visible::default()));
        assert!(!visibility.is_due(&brokers), "old brokers are not asked in each cycle");
    }

    #[test]
    fn request_that_was_not_answered_hides_nothing() {
        use Capability::{Denied, Ok, Unknown};
        let table: [(_, _, _, _, &[Request]); 6] = [
            // No broker has answered yet. The answers may be empty because a broker is starting.
            (None, Unknown, Unknown, true, &[]),
            (Some(Visible::default()), Unknown, Unknown, true, &[Request::Metadata, Request::ListGroups]),
            (Some(Visible::default()), Unknown, Unknown, false, &[Request::Metadata]),
            (Some(Visible::default()), Ok, Unknown, true, &[Request::ListGroups]),
            (Some(Visible::default()), Ok, Denied, true, &[]),
            (Some(Visible { topics: Some(false), groups: None }), Unknown, Ok, true, &[Request::Metadata]),
        ];
        for (visible, described, listing, is_listing, hides) in table {
            let found = hiding(visible, described, listing, is_listing);
            assert_eq!(found, hides, "{visible:?} {described:?} {listing:?} {is_listing}");
        }
    }
}
