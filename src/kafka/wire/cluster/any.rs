//! Requests that any broker can answer. Brokers get the request in waves, and the first good response wins.
//!
//! The best candidate gets the request first, alone. If it does not respond within a short delay, one more broker gets
//! the request as well, then two more, four more, and so on. A healthy broker among many silent ones is so found after a
//! few delays. A candidate that fails is replaced at once.
//!
//! The refusal of one broker does not count for the cluster. A refused login, or a version that the broker does not
//! know, counts only if a second broker refuses the same, or if there is no other broker.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use kafka_protocol::protocol::Request;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use super::{
    super::{Endpoint, VersionRange, request_limits::RequestLimits},
    failures::Failures,
    sessions::Cluster,
};
use crate::kafka::{Error, Fault};

/// The largest number of brokers that have one request at the same time. Metadata that lists thousands of silent brokers
/// must not take all file descriptors of this process.
const MAX_AT_ONCE: usize = 128;

/// The largest number of logins that one request may begin. More logins would lock the account if its password is wrong.
const LOGINS_PER_REQUEST: usize = 3;

/// How many candidates get the request next.
struct Waves {
    /// The number of candidates that get the request now.
    now: usize,
    /// The number of candidates that get the request when the delay has passed without a response.
    after_delay: usize,
    /// When the delay has passed.
    due: Instant,
    delay: Duration,
}

impl Waves {
    fn new(delay: Duration) -> Self {
        Self { now: 1, after_delay: 1, due: Instant::now() + delay, delay }
    }

    /// The delay has passed without a response: the next wave begins, and the one after it is twice as large.
    fn begin_next(&mut self) {
        self.now = self.after_delay;
        self.after_delay *= 2;
        self.due = Instant::now() + self.delay;
    }
}

impl Cluster {
    /// Sends a request to brokers until one of them responds. The broker that responded last gets the request first.
    ///
    /// # Errors
    /// When no broker responded, or two brokers refused the request for the same reason.
    pub async fn ask_any<R: Request>(&self, request: &R, ours: VersionRange) -> Result<R::Response, Error> {
        self.ask_any_timed(request, ours).await.map(|(response, _)| response)
    }

    /// As [`Cluster::ask_any`], with the time from sending the request to the whole response. The time does not include
    /// opening a session, nor the wait for brokers that did not respond.
    pub(in crate::kafka) async fn ask_any_timed<R: Request>(
        &self,
        request: &R,
        ours: VersionRange,
    ) -> Result<(R::Response, Duration), Error> {
        let logins = Semaphore::new(LOGINS_PER_REQUEST);
        let limits = RequestLimits { deadline: Instant::now() + self.timeout, logins: Some(&logins) };
        let (candidates, delay) = self.candidates(R::KEY);
        let ask =
            async |endpoint, wave| (endpoint, wave, self.ask_endpoint(endpoint, request, ours, limits).await);
        let mut asked = FuturesUnordered::new();
        let mut failures = Failures::default();
        let mut unanswered = Vec::<(&Endpoint, usize)>::new();
        let mut left = candidates.iter();
        let mut waves = Waves::new(delay);
        for wave in 0.. {
            // After the deadline no more candidates get the request, and those that have it fail.
            let is_over = Instant::now() >= limits.deadline;
            let more = if is_over { 0 } else { waves.now.min(MAX_AT_ONCE - unanswered.len()) };
            for endpoint in left.by_ref().take(more) {
                unanswered.push((endpoint, wave));
                asked.push(ask(endpoint, wave));
            }
            let answered = tokio::select! {
                biased;
                answered = asked.next() => answered,
                () = sleep_until(waves.due), if left.len() > 0 && unanswered.len() < MAX_AT_ONCE => {
                    waves.begin_next();
                    continue;
                }
            };
            let Some((endpoint, its_wave, response)) = answered else { break };
            unanswered.retain(|(other, _)| *other != endpoint);
            match response {
                Ok((response, took)) => {
                    let earlier = unanswered.iter().filter(|(_, wave)| *wave < its_wave);
                    self.note_response(R::KEY, endpoint, took, earlier.map(|(endpoint, _)| *endpoint));
                    return Ok((response, took));
                }
                Err(error) => {
                    self.note_failure(endpoint, error.fault());
                    if let Some(refusal) = failures.add(error) {
                        return Err(refusal);
                    }
                }
            }
            waves.now = 1;
        }
        Err(failures.into_error())
    }

    /// The candidates for a request in their order, and the delay before more of them get it.
    fn candidates(&self, api_key: i16) -> (Vec<Endpoint>, Duration) {
        let state = self.state();
        let candidates = state.candidates.list(&state.brokers, self.client.bootstrap());
        let delay = state.candidates.delay(api_key, candidates.len(), self.timeout);
        (candidates, delay)
    }

    /// An endpoint responded. The endpoints of earlier waves had more time and have failed.
    fn note_response<'a>(
        &self,
        api_key: i16,
        endpoint: &Endpoint,
        took: Duration,
        earlier: impl Iterator<Item = &'a Endpoint>,
    ) {
        let mut state = self.state();
        for silent in earlier {
            state.candidates.note_failure(silent);
        }
        state.candidates.note_response(endpoint, api_key, took);
    }

    /// An endpoint did not respond, or refused the request. A fault that is not the broker's own changes nothing.
    fn note_failure(&self, endpoint: &Endpoint, fault: Fault) {
        if !matches!(fault, Fault::Unsupported | Fault::NotReady | Fault::Throttled) && !fault.is_ours() {
            self.state().candidates.note_failure(endpoint);
        }
    }
}
