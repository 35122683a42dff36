//! The question whether this instance may collect a cluster, which is asked before each step of the work.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Instant,
};

use tokio::{
    sync::watch,
    time::{self, sleep_until},
};

use super::standing::{Role, Standing};

/// The standing of this instance, as it is now.
#[derive(Debug, Clone)]
pub struct Leadership(watch::Receiver<Arc<Standing>>);

impl Leadership {
    /// The standing that an election publishes.
    pub fn new(standing: watch::Receiver<Arc<Standing>>) -> Self {
        Self(standing)
    }

    /// Without an election: this instance collects every cluster.
    pub fn alone() -> Self {
        Self(watch::channel(Arc::new(Standing::alone())).1)
    }

    /// The standing that was published last. What it permits ends at its end.
    pub fn standing(&self) -> Arc<Standing> {
        self.0.borrow().clone()
    }

    /// The part of this instance now.
    pub fn role(&self) -> Role {
        self.0.borrow().role_at(Instant::now())
    }

    /// Whether this instance may collect the cluster now.
    pub fn collects(&self, cluster: &str) -> bool {
        self.0.borrow().collects_at(cluster, Instant::now())
    }

    /// The permit to collect the cluster.
    pub fn permit(&self, cluster: &str) -> Permit {
        Permit(Some((self.0.clone(), cluster.into())))
    }
}

/// The permit to collect one cluster, which comes and goes with the standing of this instance.
#[derive(Debug, Clone)]
pub struct Permit(Option<(watch::Receiver<Arc<Standing>>, Arc<str>)>);

impl Permit {
    /// The permit for work that each instance does.
    pub fn always() -> Self {
        Self(None)
    }

    /// Whether the work may be done now.
    pub fn holds(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|(standing, cluster)| standing.borrow().collects_at(cluster, Instant::now()))
    }

    /// Waits until the work may be done.
    pub async fn granted(&mut self) {
        while !self.holds() {
            self.changed().await;
        }
    }

    /// Waits until the work may no longer be done.
    pub async fn lost(&mut self) {
        while self.holds() {
            let until = self.0.as_ref().and_then(|(standing, _)| standing.borrow().until);
            let end = async {
                match until {
                    Some(until) => sleep_until(time::Instant::from_std(until)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.changed() => {}
                () = end => {}
            }
        }
    }

    /// Runs the work while it may be done. `None` if the permit was lost before its end: the work is dropped then. The permit is
    /// asked before each step, so that a process that was stopped and goes on does not take one step more.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut watched = self.clone();
        let (mut lost, mut work) = (pin!(watched.lost()), pin!(work));
        poll_fn(|context| {
            if lost.as_mut().poll(context).is_ready() || !self.holds() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Waits for another standing; for ever if there is no election, or no longer one.
    async fn changed(&mut self) {
        if let Some((standing, _)) = &mut self.0
            && standing.changed().await.is_ok()
        {
            return;
        }
        pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ha::standing::Scope;

    const SECOND: Duration = Duration::from_secs(1);

    /// Leads cluster `a` for ten seconds of the paused clock.
    fn leading() -> Standing {
        let until = time::Instant::now().into_std() + 10 * SECOND;
        Standing { collects: Scope::Named(["a".to_owned()].into()), ..Standing::leading("me", until) }
    }

    #[tokio::test]
    async fn instance_without_an_election_may_always_work() {
        let leadership = Leadership::alone();
        assert!(leadership.collects("a") && leadership.role() == Role::Alone);
        let mut permit = leadership.permit("a");
        permit.granted().await;
        assert_eq!(permit.guard(async { 1 }).await, Some(1));
        assert!(Permit::always().holds());
    }

    #[tokio::test]
    async fn permit_is_of_one_cluster_and_ends_with_the_standing() {
        let (publish, standing) = watch::channel(Arc::new(Standing::unknown()));
        let leadership = Leadership::new(standing);
        let (mut a, b) = (leadership.permit("a"), leadership.permit("b"));
        assert!(!a.holds() && leadership.role() == Role::Standby);
        publish.send_replace(Arc::new(leading()));
        a.granted().await;
        assert!(a.holds() && !b.holds());
        let work = a.guard(async {
            publish.send_replace(Arc::new(Standing::following("other".to_owned())));
            pending::<()>().await;
        });
        assert_eq!(work.await, None, "the work is dropped when another instance leads");
        assert_eq!(leadership.standing().leader_of("a"), Some("other"));
    }

    #[tokio::test]
    async fn work_does_not_take_one_more_step_after_the_end_of_the_standing() {
        let until = Instant::now() + Duration::from_millis(30);
        let (_publish, standing) = watch::channel(Arc::new(Standing::leading("me", until)));
        let permit = Leadership::new(standing).permit("a");
        let mut steps = 0;
        let work = permit.guard(async {
            loop {
                steps += 1;
                // The thread stands still, as in a process that is stopped.
                #[expect(clippy::disallowed_methods, reason = "the process stands still")]
                std::thread::sleep(Duration::from_millis(40));
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(work.await, None::<()>);
        assert_eq!(steps, 1);
    }
}
