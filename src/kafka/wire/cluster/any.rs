//! Questions that any broker can answer: the brokers are asked in waves, and the first good answer wins.
//!
//! The best candidate is asked first, alone. If it does not answer within a short delay, one more broker is asked as
//! well, then two more, four more, and so on: a healthy broker among many silent ones is found after a few delays. A
//! candidate that fails is replaced at once.
//!
//! One broker's refusal is not the cluster's. A refused login, or a version that the broker does not know, counts for the
//! cluster only when a second broker says the same, or when there is no other broker to ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use kafka_protocol::protocol::Request;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use super::{Cluster, Endpoint, Limits, Range};
use crate::{
    kafka::{BrokerId, Error, Fault, wire::kinds::Kind},
    text::Chain,
};

/// The shortest time after which one more broker is asked: longer than a healthy broker usually takes for an answer.
const LEAST_DELAY: Duration = Duration::from_millis(300);

/// A broker that takes so many times the usual time is treated as silent.
const TIMES_USUAL: u32 = 3;

/// The last wave of candidates is asked when this part of the time for the question has passed, at the latest.
const LAST_WAVE: u32 = 2;

/// Brokers that one question waits for at the same time. Metadata that lists thousands of silent brokers must not take
/// all descriptors of this process.
const MOST_AT_ONCE: usize = 128;

/// Logins that one question may begin. More would lock the account where its password is wrong.
const LOGINS_A_QUESTION: usize = 3;

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
    fn candidates(&self, brokers: &BTreeMap<BrokerId, Endpoint>, bootstrap: &[Endpoint]) -> Vec<Endpoint> {
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

    fn answered(&mut self, endpoint: &Endpoint, key: i16, took: Duration) {
        self.failed.remove(endpoint);
        self.favourite = Some(endpoint.clone());
        let usual = self.usual.entry(key).or_insert(took);
        *usual = (*usual * 3 + took) / 4;
    }

    fn failed(&mut self, endpoint: &Endpoint) {
        self.failed.insert(endpoint.clone(), Instant::now());
        self.favourite.take_if(|favourite| favourite == endpoint);
    }

    /// Forgets endpoints that are asked no more.
    pub(super) fn retain(&mut self, keep: impl Fn(&Endpoint) -> bool) {
        self.failed.retain(|endpoint, _| keep(endpoint));
        self.favourite.take_if(|favourite| !keep(favourite));
    }

    /// How long to wait for an answer before more of so many candidates are asked.
    fn delay(&self, key: i16, candidates: usize, timeout: Duration) -> Duration {
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

/// What the candidates of one question said that did not answer it.
#[derive(Default)]
struct Failures {
    login: Option<Error>,
    unsupported: Option<Error>,
    other: Option<Error>,
}

impl Failures {
    /// Takes in one more; returns the error of the whole question once two brokers refuse it for the same reason.
    fn add(&mut self, error: Error) -> Option<Error> {
        let refusal = match error.fault() {
            Fault::Authentication => &mut self.login,
            Fault::Unsupported => &mut self.unsupported,
            // It says nothing of the broker.
            Fault::NotReady if self.other.is_some() => return None,
            _ => {
                self.other = Some(error);
                return None;
            }
        };
        match refusal {
            Some(_) => Some(error),
            None => {
                *refusal = Some(error);
                None
            }
        }
    }

    /// The error of a question that nobody answered.
    fn all(self) -> Error {
        match (self.unsupported, self.login, self.other) {
            // The only word on the matter: no broker that can be reached knows the request.
            (Some(unsupported), ..) => unsupported,
            (None, Some(login), None) => login,
            (None, Some(login), Some(other)) => {
                let words = format!("{}; {}", Chain(&login), Chain(&other));
                let what = "one broker refused the login, and no other broker answered";
                let error = Error::new(other.fault(), what).because(words);
                match other.stage() {
                    Some(stage) => error.at(stage),
                    None => error,
                }
            }
            (None, None, other) => {
                other.unwrap_or_else(|| Error::new(Fault::Timeout, "no broker was asked in time"))
            }
        }
    }
}

impl Cluster {
    /// Asks the brokers until one of them answers: the one that answered last is asked first.
    ///
    /// # Errors
    /// When no broker answered, or two of them refused for the same reason.
    pub async fn ask_any<R: Request>(&self, request: &R, ours: Range) -> Result<R::Response, Error> {
        self.ask_any_timed(request, ours).await.map(|(answer, _)| answer)
    }

    /// As [`Cluster::ask_any`], with the time from sending the request to the whole answer: neither
    /// opening a session nor brokers that did not answer are in it.
    pub(in crate::kafka) async fn ask_any_timed<R: Request>(
        &self,
        request: &R,
        ours: Range,
    ) -> Result<(R::Response, Duration), Error> {
        let logins = Semaphore::new(LOGINS_A_QUESTION);
        let limits = Limits { deadline: Instant::now() + self.timeout, logins: Some(&logins) };
        let (candidates, delay) = {
            let state = self.state();
            let candidates = state.order.candidates(&state.brokers, &self.settings.bootstrap);
            let delay = state.order.delay(R::KEY, candidates.len(), self.timeout);
            (candidates, delay)
        };
        let ask =
            async |endpoint, wave| (endpoint, wave, self.ask_endpoint(endpoint, request, ours, limits).await);
        let (mut asked, mut failures) = (FuturesUnordered::new(), Failures::default());
        let mut unanswered = Vec::<(&Endpoint, usize)>::new();
        let mut left = candidates.iter();
        // How many are asked next, how many when the delay has passed without an answer, and when that is.
        let (mut now, mut then, mut due) = (1, 1, Instant::now() + delay);
        for wave in 0.. {
            // When the time is over, those that are being asked fail, and there is none left for others.
            let over = Instant::now() >= limits.deadline;
            let more = if over { 0 } else { now.min(MOST_AT_ONCE - unanswered.len()) };
            for endpoint in left.by_ref().take(more) {
                unanswered.push((endpoint, wave));
                asked.push(ask(endpoint, wave));
            }
            let answered = tokio::select! {
                biased;
                answered = asked.next() => answered,
                () = sleep_until(due), if left.len() > 0 && unanswered.len() < MOST_AT_ONCE => {
                    (now, then, due) = (then, then * 2, Instant::now() + delay);
                    continue;
                }
            };
            let Some((endpoint, its_wave, answer)) = answered else { break };
            unanswered.retain(|(other, _)| *other != endpoint);
            match answer {
                Ok((answer, took)) => {
                    let mut state = self.state();
                    // Those that were asked earlier had their time.
                    let silent = unanswered.iter().filter(|(_, wave)| *wave < its_wave);
                    silent.for_each(|(silent, _)| state.order.failed(silent));
                    state.order.answered(endpoint, R::KEY, took);
                    return Ok((answer, took));
                }
                Err(error) => {
                    if !matches!(error.fault(), Fault::Unsupported | Fault::NotReady | Fault::Throttled) {
                        self.state().order.failed(endpoint);
                    }
                    if let Some(believed) = failures.add(error) {
                        return Err(believed);
                    }
                }
            }
            now = 1;
        }
        Err(failures.all())
    }
}

#[cfg(test)]
mod tests {
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
