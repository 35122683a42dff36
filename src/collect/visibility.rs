//! Whether Kafka shows us all topics and all groups: it leaves out what we may not describe, without an error.
//!
//! Asked for once in ten minutes, and when the cluster has other brokers.

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

/// An answer is kept for so long if later questions fail: one broker that does not answer takes no permission away.
const KEPT_FOR: Duration = BELIEVED_FOR.saturating_mul(2);

/// What was last found out, when, and of which brokers.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    known: Option<(Visible, Instant)>,
    brokers: Vec<BrokerId>,
}

impl Sight {
    /// What Kafka shows us; absent while no broker has answered. A question that fails is asked again in the next cycle.
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
            // These brokers do not say whether they hide something.
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

/// The requests that Kafka answers and may answer in part. What no broker has answered is not known, and not hidden.
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
    async fn sight_after_a_failed_question_keeps_the_answer_for_twenty_minutes() {
        let (mut sight, brokers) = (Sight::default(), vec![BrokerId(1), BrokerId(2)]);
        let all = Visible { topics: Some(true), groups: Some(false) };
        let failed = || Err(Error::new(Fault::Timeout, "no answer"));
        let known = |sight: &Sight| sight.known.map(|(visible, _)| visible);
        sight.learn(failed(), brokers.clone());
        assert!(known(&sight).is_none() && sight.is_due(&brokers), "no broker has answered");
        sight.learn(Ok(all), brokers.clone());
        assert!(!sight.is_due(&brokers));
        assert!(sight.is_due(&brokers[..1]), "the cluster has other brokers");
        sight.learn(failed(), brokers[..1].to_vec());
        assert_eq!(known(&sight), Some(all), "a broker that died does not answer");
        assert!(sight.is_due(&brokers[..1]), "the question is asked again");
        tokio::time::advance(BELIEVED_FOR).await;
        assert!(sight.is_due(&brokers));
        sight.learn(failed(), brokers.clone());
        assert_eq!(known(&sight), Some(all));
        tokio::time::advance(BELIEVED_FOR).await;
        sight.learn(failed(), brokers.clone());
        assert_eq!(known(&sight), None, "the answer is too old");
        sight.learn(Err(Error::new(Fault::Unsupported, "old brokers")), brokers.clone());
        assert_eq!(known(&sight), Some(Visible::default()));
        assert!(!sight.is_due(&brokers), "old brokers are not asked in each cycle");
    }

    #[test]
    fn request_that_was_not_answered_hides_nothing() {
        use Capability::{Denied, Ok, Unknown};
        let table: [(_, _, _, _, &[Request]); 6] = [
            // No broker has said what it hides; the answers may be empty because of a broker that starts.
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
