//! In which order brokers are asked what any of them can answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::super::{Endpoint, kinds::Kind};
use crate::kafka::BrokerId;

/// The shortest time after which one more broker is asked: longer than a healthy broker usually takes for an answer.
const LEAST_DELAY: Duration = Duration::from_millis(300);

/// A broker that takes so many times the usual time is treated as silent.
const TIMES_USUAL: u32 = 3;

/// The last wave of candidates is asked when this part of the time for the question has passed, at the latest.
const LAST_WAVE: u32 = 2;

/// In which order brokers are asked, and how long they usually take.
#[derive(Default)]
pub(super) struct Order {
    /// The broker that answered last is asked first.
    favourite: Option<Endpoint>,
    /// When each endpoint last failed. An endpoint that has answered since is not here.
    failed: BTreeMap<Endpoint, Instant>,
    /// The moving average of the time to an answer, by the key of the request.
    usual: BTreeMap<i16, Duration>,
}

impl Order {
    /// Every endpoint once: the favourite, then brokers and bootstrap servers in turn, then those that failed, the
    /// longest ago first. Bootstrap servers stay among them because all brokers may have moved to other addresses.
    pub(super) fn candidates(
        &self,
        brokers: &BTreeMap<BrokerId, Endpoint>,
        bootstrap: &[Endpoint],
    ) -> Vec<Endpoint> {
        let (mut known, mut seen) = (brokers.values(), BTreeSet::new());
        let mut bootstrap = bootstrap.iter();
        let mut in_turn: Vec<&Endpoint> = self.favourite.iter().collect();
        loop {
            let before = in_turn.len();
            in_turn.extend(known.next());
            in_turn.extend(bootstrap.next());
            if in_turn.len() == before {
                break;
            }
        }
        in_turn.retain(|endpoint| seen.insert(*endpoint));
        in_turn.sort_by_key(|endpoint| self.failed.get(*endpoint));
        in_turn.into_iter().cloned().collect()
    }

    pub(super) fn answered(&mut self, endpoint: &Endpoint, key: i16, took: Duration) {
        self.failed.remove(endpoint);
        self.favourite = Some(endpoint.clone());
        let usual = self.usual.entry(key).or_insert(took);
        *usual = (*usual * 3 + took) / 4;
    }

    pub(super) fn failed(&mut self, endpoint: &Endpoint) {
        self.failed.insert(endpoint.clone(), Instant::now());
        self.favourite.take_if(|favourite| favourite == endpoint);
    }

    /// Forgets endpoints that are asked no more.
    pub(super) fn retain(&mut self, keep: impl Fn(&Endpoint) -> bool) {
        self.failed.retain(|endpoint, _| keep(endpoint));
        self.favourite.take_if(|favourite| !keep(favourite));
    }

    /// How long to wait for an answer before more of so many candidates are asked.
    pub(super) fn delay(&self, key: i16, candidates: usize, timeout: Duration) -> Duration {
        // One candidate, then one more, two more, four more: so many waves follow the first.
        let waves = candidates.next_power_of_two().trailing_zeros().max(1);
        let longest = timeout / LAST_WAVE / waves;
        // A request that changes something is sent twice only when there is little time left.
        if Kind::of(key).changes {
            return longest;
        }
        let usual = self.usual.get(&key).copied().unwrap_or_default();
        (usual * TIMES_USUAL).max(LEAST_DELAY).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::Request as _;

    use super::*;

    fn endpoint(host: &str) -> Endpoint {
        Endpoint { host: host.to_owned(), port: 9092 }
    }

    fn order_of(order: &Order, brokers: &[&str], bootstrap: &[&str]) -> String {
        let brokers = (1..).map(BrokerId).zip(brokers.iter().map(|host| endpoint(host))).collect();
        let bootstrap: Vec<_> = bootstrap.iter().map(|host| endpoint(host)).collect();
        let candidates = order.candidates(&brokers, &bootstrap);
        candidates.into_iter().map(|endpoint| endpoint.host).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test(start_paused = true)]
    async fn candidates_that_failed_are_asked_last_and_bootstrap_servers_have_their_turn() {
        let mut order = Order::default();
        let (brokers, bootstrap) = (["a", "b", "c"], ["x", "b", "y"]);
        assert_eq!(order_of(&order, &brokers, &bootstrap), "a x b c y");
        order.answered(&endpoint("c"), 3, Duration::ZERO);
        assert_eq!(order_of(&order, &brokers, &bootstrap), "c a x b y");
        for host in ["c", "a"] {
            tokio::time::advance(Duration::from_secs(1)).await;
            order.failed(&endpoint(host));
        }
        assert_eq!(order_of(&order, &brokers, &bootstrap), "x b y c a", "the longest ago first");
        order.answered(&endpoint("a"), 3, Duration::ZERO);
        assert_eq!(order_of(&order, &brokers, &bootstrap), "a x b y c");
        order.retain(|endpoint| endpoint.host != "c");
        assert_eq!(order_of(&order, &brokers, &bootstrap), "a x b c y");
    }

    #[test]
    fn delay_follows_the_usual_time_and_leaves_time_for_every_candidate() {
        let (mut order, timeout) = (Order::default(), Duration::from_secs(5));
        let key = kafka_protocol::messages::MetadataRequest::KEY;
        assert_eq!(order.delay(key, 3, timeout), LEAST_DELAY);
        assert_eq!(order.delay(key, 100, timeout), LEAST_DELAY);
        assert!(order.delay(key, 100, Duration::from_secs(1)) * 7 <= Duration::from_millis(500));
        order.answered(&endpoint("a"), key, Duration::from_millis(200));
        assert_eq!(order.delay(key, 3, timeout), Duration::from_millis(600));
        assert!(order.delay(key, 100, timeout) * 7 <= timeout / 2);
        let creates = kafka_protocol::messages::CreateTopicsRequest::KEY;
        assert_eq!(order.delay(creates, 3, timeout), Duration::from_millis(1250), "not sent twice in haste");
    }
}
