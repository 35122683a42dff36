//! Questions that any broker can answer: the brokers are asked in waves, and the first good answer wins.
//!
//! The best candidate is asked first, alone. If it does not answer within a short delay, one more broker is asked as
//! well, then two more, four more, and so on: a healthy broker among many silent ones is found after a few delays. A
//! candidate that fails is replaced at once.
//!
//! One broker's refusal is not the cluster's. A refused login, or a version that the broker does not know, counts for the
//! cluster only when a second broker says the same, or when there is no other broker to ask.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use kafka_protocol::protocol::Request;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use super::{
    super::{Endpoint, Range, limits::Limits},
    failures::Failures,
    sessions::Cluster,
};
use crate::kafka::{Error, Fault};

/// Brokers that one question waits for at the same time. Metadata that lists thousands of silent brokers must not take
/// all descriptors of this process.
const MOST_AT_ONCE: usize = 128;

/// Logins that one question may begin. More would lock the account where its password is wrong.
const LOGINS_A_QUESTION: usize = 3;

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
