//! The loop that finds out what this instance may do, and says so in the log.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::standing::{Role, Standing};

/// When no leader could be found for this time, each instance collects.
const LEADERLESS: Duration = Duration::from_secs(60);

/// The shortest time from an attempt that failed to the next one.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The longest time for giving up the lead when the service stops.
const RELEASE: Duration = Duration::from_secs(2);

/// An instance that takes part in an election.
pub trait Candidate: Send + 'static {
    /// Tries to become or to stay the leader, and says what this instance may do. Ends within a limit of its own. An error is a text for
    /// the log.
    fn attempt(&mut self) -> impl Future<Output = Result<Standing, String>> + Send;

    /// The time from one attempt to the next.
    fn pause(&self) -> Duration;

    /// Gives up what it has, so that another instance need not wait.
    fn release(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}

/// Takes part in the election until `stop`.
pub async fn elect(
    mut candidate: impl Candidate,
    publish: watch::Sender<Arc<Standing>>,
    stop: CancellationToken,
) {
    let mut search = Search::default();
    loop {
        let begun = Instant::now();
        let attempted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            attempted = candidate.attempt() => attempted,
        };
        let pause = match &attempted {
            Ok(_) => candidate.pause(),
            Err(_) => candidate.pause().max(AFTER_FAILURE),
        };
        match attempted {
            Ok(standing) if standing.leaders.is_empty() => search.goes_on(begun.elapsed() + pause),
            Ok(standing) => {
                search = Search::default();
                announce(&publish, standing);
            }
            Err(error) => {
                search.failed(&error);
                search.goes_on(begun.elapsed() + pause);
            }
        }
        // A leader goes on until the end of its time, whatever failed.
        let leads = publish.borrow().role_at(Instant::now().into_std()) == Role::Leader;
        if search.is_over() && !leads {
            announce(&publish, Standing::leaderless());
        } else if search.has_begun() && !leads && publish.borrow().role != Role::Leaderless {
            announce(&publish, Standing::unknown());
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = sleep(pause) => {}
        }
    }
    publish.send_replace(Arc::new(Standing::unknown()));
    if let Ok(Err(error)) = timeout(RELEASE, candidate.release()).await {
        tracing::debug!("the lead was not given up: {error}");
    }
}

/// The search for a leader since the last attempt that found one.
#[derive(Debug, Default)]
struct Search {
    is_logged: bool,
    /// The time of the attempts that found none. An attempt during which the process was stopped counts as a short one: this instance may
    /// not take the lead because it did not look.
    searched: Duration,
}

/// One attempt counts as at most this time.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(15);

impl Search {
    fn failed(&mut self, error: &str) {
        if !std::mem::replace(&mut self.is_logged, true) {
            tracing::warn!("the election of the leader failed: {error}");
        }
    }

    /// An attempt that took this time, with the pause after it, has found no leader.
    fn goes_on(&mut self, took: Duration) {
        self.searched += took.min(LONGEST_ATTEMPT);
    }

    fn has_begun(&self) -> bool {
        self.searched > Duration::ZERO
    }

    fn is_over(&self) -> bool {
        self.searched >= LEADERLESS
    }
}

/// Publishes a standing, and logs what has changed.
fn announce(publish: &watch::Sender<Arc<Standing>>, standing: Standing) {
    let before = publish.borrow().clone();
    let changed = before.role != standing.role
        || before.collects != standing.collects
        || before.leaders != standing.leaders;
    if changed {
        match standing.role {
            Role::Alone => {}
            Role::Leader => {
                tracing::info!(leaders = ?standing.leaders, "this instance was elected: it collects")
            }
            Role::Standby if standing.leaders.is_empty() => {
                tracing::info!("no leader is known: this instance collects nothing");
            }
            Role::Standby => tracing::info!(leaders = ?standing.leaders, "another instance collects"),
            Role::Leaderless => {
                tracing::warn!(
                    "no leader could be found for a minute: this instance collects, and others may do so too"
                );
            }
        }
    }
    publish.send_replace(Arc::new(standing));
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Answers from a script, and fails after it.
    struct Script(VecDeque<Standing>);

    impl Candidate for Script {
        async fn attempt(&mut self) -> Result<Standing, String> {
            self.0.pop_front().ok_or_else(|| "no coordinator".to_owned())
        }

        fn pause(&self) -> Duration {
            Duration::from_secs(3)
        }

        async fn release(&mut self) -> Result<(), String> {
            Ok(())
        }
    }

    fn start(
        script: impl IntoIterator<Item = Standing>,
    ) -> (watch::Receiver<Arc<Standing>>, CancellationToken) {
        let (publish, standing) = watch::channel(Arc::new(Standing::unknown()));
        let stop = CancellationToken::new();
        let script = Script(script.into_iter().collect());
        tokio::spawn(elect(script, publish, stop.clone()));
        (standing, stop)
    }

    #[tokio::test(start_paused = true)]
    async fn every_instance_collects_when_no_leader_was_found_for_a_minute() {
        let (standing, _stop) = start([]);
        sleep(Duration::from_secs(56)).await;
        assert_eq!(standing.borrow().role, Role::Standby);
        sleep(Duration::from_secs(6)).await;
        assert_eq!(*standing.borrow().as_ref(), Standing::leaderless());
    }

    #[tokio::test(start_paused = true)]
    async fn leader_goes_on_until_its_end_and_then_waits_before_it_collects_again() {
        let until = Instant::now().into_std() + Duration::from_secs(10);
        let (standing, stop) = start([Standing::leading("me", until)]);
        sleep(Duration::from_secs(9)).await;
        assert_eq!(standing.borrow().role, Role::Leader, "the attempts fail, but its time is not over");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(*standing.borrow().as_ref(), Standing::unknown());
        sleep(Duration::from_secs(50)).await;
        assert_eq!(standing.borrow().role, Role::Leaderless);
        stop.cancel();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(*standing.borrow().as_ref(), Standing::unknown(), "at the end it collects nothing");
    }

    #[test]
    fn time_in_which_the_process_was_stopped_is_no_search() {
        let mut search = Search::default();
        search.goes_on(Duration::from_secs(3600));
        assert!(search.has_begun() && !search.is_over());
    }
}
