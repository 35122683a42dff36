//! The order in which brokers get a request that any of them can answer, and the delay between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::super::{Endpoint, request_kind::RequestKind};
use crate::kafka::BrokerId;

/// The shortest delay before one more broker gets the request. A healthy broker usually responds within this time.
const MIN_DELAY: Duration = Duration::from_millis(300);

/// A broker is treated as silent after this multiple of the usual response time.
const USUAL_TIMES: u32 = 3;

/// The last wave of candidates gets the request after at most this part of its time limit: one half.
const LAST_WAVE_DIVISOR: u32 = 2;

/// The order in which brokers get a request that any of them can answer, and their usual response time.
#[derive(Default)]
pub(super) struct CandidateOrder {
    /// The broker that responded last. It gets the next request first. `None` if no broker has responded, or if the
    /// broker has failed since.
    favourite: Option<Endpoint>,
    /// When each endpoint last failed. An endpoint that has responded since is absent.
    failed_at: BTreeMap<Endpoint, Instant>,
    /// The moving average of the response time, by the API key of the request.
    usual_time: BTreeMap<i16, Duration>,
}

impl CandidateOrder {
    /// Every endpoint once: the favourite, then brokers and bootstrap servers alternately, then the endpoints that failed,
    /// with the earliest failure first. Bootstrap servers stay candidates because all brokers may have moved to other
    /// addresses.
    pub(super) fn list(
        &self,
        brokers: &BTreeMap<BrokerId, Endpoint>,
        bootstrap: &[Endpoint],
    ) -> Vec<Endpoint> {
        let mut brokers = brokers.values();
        let mut bootstrap = bootstrap.iter();
        let mut alternating: Vec<&Endpoint> = self.favourite.iter().collect();
        loop {
            let before = alternating.len();
            alternating.extend(brokers.next());
            alternating.extend(bootstrap.next());
            if alternating.len() == before {
                break;
            }
        }
        let mut seen = BTreeSet::new();
        alternating.retain(|endpoint| seen.insert(*endpoint));
        alternating.sort_by_key(|endpoint| self.failed_at.get(*endpoint));
        alternating.into_iter().cloned().collect()
    }

    /// An endpoint responded to a request after this time.
    pub(super) fn note_response(&mut self, endpoint: &Endpoint, key: i16, took: Duration) {
        self.failed_at.remove(endpoint);
        self.favourite = Some(endpoint.clone());
        let usual = self.usual_time.entry(key).or_insert(took);
        *usual = (*usual * 3 + took) / 4;
    }

    /// An endpoint failed now.
    pub(super) fn note_failure(&mut self, endpoint: &Endpoint) {
        self.failed_at.insert(endpoint.clone(), Instant::now());
        self.favourite.take_if(|favourite| favourite == endpoint);
    }

    /// Forgets endpoints that are no candidates any more.
    pub(super) fn retain(&mut self, keep: impl Fn(&Endpoint) -> bool) {
        self.failed_at.retain(|endpoint, _| keep(endpoint));
        self.favourite.take_if(|favourite| !keep(favourite));
    }

    /// How long to wait for a response before more of this number of candidates get the request.
    pub(super) fn delay(&self, key: i16, candidates: usize, timeout: Duration) -> Duration {
        // The first wave has one candidate, the next waves one more, two more, four more, and so on.
        let waves = candidates.next_power_of_two().trailing_zeros().max(1);
        let longest = timeout / LAST_WAVE_DIVISOR / waves;
        // A request that changes something is sent twice only when there is little time left.
        if RequestKind::of(key).is_change {
            return longest;
        }
        let usual = self.usual_time.get(&key).copied().unwrap_or_default();
        (usual * USUAL_TIMES).max(MIN_DELAY).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::Request as _;

    use super::*;

    fn endpoint(host: &str) -> Endpoint {
        Endpoint { host: host.to_owned(), port: 9092 }
    }

    fn order_of(order: &CandidateOrder, brokers: &[&str], bootstrap: &[&str]) -> String {
        let brokers = (1..).map(BrokerId).zip(brokers.iter().map(|host| endpoint(host))).collect();
        let bootstrap: Vec<_> = bootstrap.iter().map(|host| endpoint(host)).collect();
        let candidates = order.list(&brokers, &bootstrap);
        candidates.into_iter().map(|endpoint| endpoint.host).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test(start_paused = true)]
    async fn candidates_that_failed_are_last_and_bootstrap_servers_alternate_with_brokers() {
        let mut order = CandidateOrder::default();
        let (brokers, bootstrap) = (["a", "b", "c"], ["x", "b", "y"]);
        assert_eq!(order_of(&order, &brokers, &bootstrap), "a x b c y");
        order.note_response(&endpoint("c"), 3, Duration::ZERO);
        assert_eq!(order_of(&order, &brokers, &bootstrap), "c a x b y");
        for host in ["c", "a"] {
            tokio::time::advance(Duration::from_secs(1)).await;
            order.note_failure(&endpoint(host));
        }
        assert_eq!(order_of(&order, &brokers, &bootstrap), "x b y c a", "the earliest failure first");
        order.note_response(&endpoint("a"), 3, Duration::ZERO);
        assert_eq!(order_of(&order, &brokers, &bootstrap), "a x b y c");
        order.retain(|endpoint| endpoint.host != "c");
        assert_eq!(order_of(&order, &brokers, &bootstrap), "a x b c y");
    }

    #[test]
    fn delay_follows_the_usual_time_and_leaves_time_for_every_candidate() {
        let (mut order, timeout) = (CandidateOrder::default(), Duration::from_secs(5));
        let key = kafka_protocol::messages::MetadataRequest::KEY;
        assert_eq!(order.delay(key, 3, timeout), MIN_DELAY);
        assert_eq!(order.delay(key, 100, timeout), MIN_DELAY);
        assert!(order.delay(key, 100, Duration::from_secs(1)) * 7 <= Duration::from_millis(500));
        order.note_response(&endpoint("a"), key, Duration::from_millis(200));
        assert_eq!(order.delay(key, 3, timeout), Duration::from_millis(600));
        assert!(order.delay(key, 100, timeout) * 7 <= timeout / 2);
        let creates = kafka_protocol::messages::CreateTopicsRequest::KEY;
        assert_eq!(order.delay(creates, 3, timeout), Duration::from_millis(1250), "not sent twice in haste");
    }
}
