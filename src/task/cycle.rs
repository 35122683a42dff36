//! The loop that runs every periodic task.

use std::{
    any::Any, collections::BTreeSet, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::{Notify, watch},
    time::{self, Instant, MissedTickBehavior},
};
use tokio_metrics::TaskMonitor;
use tokio_util::sync::CancellationToken;

use super::latest::{Ending, Latest, Polls};
use crate::{
    ha::Permit,
    kafka::{self, Fault},
    text::Chain,
};

/// The shortest time between two cycles of a task that is nudged.
const NUDGE_GAP: Duration = Duration::from_secs(1);

/// While a task keeps failing, one of this many failures is logged.
const LOG_EVERY: u64 = 100;

/// One periodic piece of work.
///
/// A cycle queries the cluster once and returns a snapshot. It takes no input and never retries: the next tick is the
/// retry.
pub trait Cycle: Send + 'static {
    /// The result of one cycle. A snapshot is published and replaced as a whole, and never edited.
    type Snapshot: Send + Sync + 'static;

    /// Runs the work once. The future may be dropped at any await: `self` must be valid at each of them.
    fn cycle(&mut self) -> impl Future<Output = Result<Self::Snapshot, kafka::Error>> + Send;

    /// Runs once after the last cycle, when the task stops, unless another instance does the work.
    fn end(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// The times at which a task runs.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The name for the log: `cluster/task`.
    pub name: String,
    /// Time from one tick to the next.
    pub interval: Duration,
    /// The longest duration of a cycle. A cycle that takes longer is dropped and counted as timed out.
    pub timeout: Duration,
    /// Time before the first tick, so that tasks do not all start at once.
    pub delay: Duration,
    /// A notification requests a cycle at once. At most one cycle a second is started for notifications.
    pub nudge: Arc<Notify>,
    /// No cycle begins without the permit, and one that loses it is dropped.
    pub permit: Permit,
}

impl Schedule {
    /// A schedule whose first tick is at once.
    pub fn every(name: impl Into<String>, interval: Duration, timeout: Duration) -> Self {
        let (delay, nudge, permit) = (Duration::ZERO, Arc::default(), Permit::always());
        Self { name: name.into(), interval, timeout, delay, nudge, permit }
    }
}

/// Runs cycles until `stop`. A stop in the middle of a cycle drops the cycle.
pub async fn run<C: Cycle>(
    mut work: C,
    schedule: Schedule,
    publisher: watch::Sender<Latest<C::Snapshot>>,
    stop: CancellationToken,
) {
    let permit = schedule.permit.clone();
    cycles(&mut work, schedule, publisher, stop).await;
    if permit.holds() {
        work.end().await;
    }
}

/// The result of a request, if it comes before the deadline of a cycle. `cycle` names the cycle in the error.
///
/// # Errors
/// [`Fault::Timeout`] at the deadline, or the error of the request.
pub async fn within<T>(
    deadline: std::time::Instant,
    cycle: &'static str,
    request: impl Future<Output = Result<T, kafka::Error>>,
) -> Result<T, kafka::Error> {
    let result = time::timeout_at(deadline.into(), request).await;
    result
        .unwrap_or_else(|_| Err(kafka::Error::new(Fault::Timeout, format!("the cycle of the {cycle} ends"))))
}

async fn cycles<C: Cycle>(
    work: &mut C,
    schedule: Schedule,
    publisher: watch::Sender<Latest<C::Snapshot>>,
    stop: CancellationToken,
) {
    let mut permit = schedule.permit.clone();
    let mut ticks = time::interval_at(Instant::now() + schedule.delay, schedule.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut log = Log { name: &schedule.name, failures: 0, faults: BTreeSet::new() };
    let mut login_refused = false;
    let monitor = TaskMonitor::new();
    loop {
        if stop.run_until_cancelled(wait(&mut permit, &mut ticks, &publisher)).await.is_none() {
            return;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = permit.lost() => continue,
            _ = ticks.tick() => {}
            // A refused login waits for the next tick: some systems lock an account after repeated attempts.
            () = schedule.nudge.notified(), if !login_refused => ticks.reset(),
        }
        let begun = Instant::now();
        let guarded = AssertUnwindSafe(monitor.instrument(work.cycle())).catch_unwind();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = permit.guard(time::timeout(schedule.timeout, guarded)) => ended,
        };
        // Another instance does the work from now on: whatever this cycle found is not published.
        let Some(ended) = ended else { continue };
        let took = begun.elapsed();
        let (ending, result) = match ended {
            Ok(Ok(Ok(snapshot))) => (Ending::Ok, Ok(snapshot)),
            Ok(Ok(Err(error))) => (Ending::Failed, Err(error)),
            Ok(Err(panic)) => (Ending::Panicked, Err(kafka::Error::new(Fault::Other, words(&*panic)))),
            Err(_) => {
                let what = format!("no result within {}", humantime::format_duration(schedule.timeout));
                (Ending::TimedOut, Err(kafka::Error::new(Fault::Timeout, what)))
            }
        };
        log.note(&result);
        login_refused = result.as_ref().is_err_and(|error| error.fault() == Fault::Authentication);
        let polls = Polls::of(&monitor.cumulative());
        publisher.send_modify(|latest| {
            latest.note(ending, result, took);
            latest.polls = polls;
        });
        // A notification during the cycle starts the next cycle after the gap.
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = time::sleep(NUDGE_GAP.min(schedule.interval).saturating_sub(took)) => {}
        }
    }
}

/// Waits until this instance may do the work, if another instance does it now. The next cycle is due then.
async fn wait<S>(permit: &mut Permit, ticks: &mut time::Interval, publisher: &watch::Sender<Latest<S>>) {
    if !permit.holds() {
        publisher.send_modify(Latest::wait);
        permit.granted().await;
        publisher.send_modify(|latest| latest.waits = false);
        ticks.reset_immediately();
    }
}

/// Logs the first failure of a run of them, the first of each other fault, every hundredth, and the recovery.
struct Log<'a> {
    name: &'a str,
    failures: u64,
    /// The faults of this run of failures.
    faults: BTreeSet<Fault>,
}

impl Log<'_> {
    fn note<T>(&mut self, result: &Result<T, kafka::Error>) {
        match result {
            Ok(_) if self.failures > 0 => {
                tracing::info!(task = self.name, failures = self.failures, "works again");
                self.failures = 0;
                self.faults.clear();
            }
            Ok(_) => {}
            Err(error) => {
                // The task that this task depends on has failed, and logs that itself.
                if error.fault() == Fault::NotReady {
                    tracing::debug!(task = self.name, "waits for another task: {}", Chain(error));
                    return;
                }
                if self.is_due(error.fault()) {
                    let cluster = self.name.rsplit_once('/').map_or(self.name, |(cluster, _)| cluster);
                    let hint = error.fault().hint_once(cluster);
                    let (task, fault, failures) = (self.name, error.fault().as_str(), self.failures);
                    tracing::warn!(task, fault, failures, hint, "failed: {}", Chain(error));
                }
            }
        }
    }

    /// Counts a failure. Returns whether it is logged.
    fn is_due(&mut self, fault: Fault) -> bool {
        self.failures += 1;
        self.faults.insert(fault) || self.failures % LOG_EVERY == 1
    }
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", words.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::atomic::{AtomicBool, Ordering::Relaxed},
    };

    use super::*;
    use crate::kafka::Stage;

    #[test]
    fn failure_is_logged_first_with_each_other_fault_and_every_hundredth_time() {
        let mut log = Log { name: "k/metadata", failures: 0, faults: BTreeSet::new() };
        let mut is_due = |fault| log.is_due(fault);
        let first = [Fault::Timeout, Fault::Timeout, Fault::CertificateUnknownCa, Fault::Timeout];
        assert_eq!(first.map(&mut is_due), [true, false, true, false]);
        let due = (5..=300).filter(|_| is_due(Fault::Timeout)).collect::<Vec<_>>();
        assert_eq!(due, [101, 201]);
        log.note(&Ok(()));
        assert!(log.is_due(Fault::Timeout), "a new run of failures");
    }

    /// Runs one step of a script in each cycle. A cycle after the last step never ends.
    struct Script(Vec<Step>);

    enum Step {
        Good(u32),
        Bad,
        Locked,
        Hang,
        Panic,
    }

    impl Cycle for Script {
        type Snapshot = u32;

        async fn cycle(&mut self) -> Result<u32, kafka::Error> {
            if self.0.is_empty() {
                return std::future::pending().await;
            }
            match self.0.remove(0) {
                Step::Good(value) => Ok(value),
                Step::Bad => Err(kafka::Error::new(Fault::Refused, "metadata from b1:9092").at(Stage::Tcp)),
                Step::Locked => Err(kafka::Error::new(Fault::Authentication, "metadata from b1:9092")),
                Step::Hang => std::future::pending().await,
                Step::Panic => panic!("of purpose"),
            }
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn start(
        steps: Vec<Step>,
    ) -> (watch::Receiver<Latest<u32>>, Schedule, CancellationToken, tokio::task::JoinHandle<()>) {
        let schedule = Schedule::every("test", seconds(10), seconds(3));
        let (publisher, latest) = watch::channel(Latest::new(schedule.interval));
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(Script(steps), schedule.clone(), publisher, stop.clone()));
        (latest, schedule, stop, task)
    }

    #[tokio::test(start_paused = true)]
    async fn task_with_errors_timeouts_and_panics_goes_on_and_keeps_the_last_snapshot() {
        let steps = vec![Step::Good(1), Step::Bad, Step::Hang, Step::Panic, Step::Good(2)];
        let (latest, _, stop, task) = start(steps);
        time::sleep(seconds(35)).await;
        {
            let latest = latest.borrow();
            assert_eq!(latest.cycles, [1, 1, 1, 1]);
            assert_eq!(latest.snapshot.as_ref().map(|(value, _)| **value), Some(1));
            assert!(latest.fresh().is_none(), "a snapshot older than three intervals is stale");
            assert_eq!(
                latest.faults,
                BTreeMap::from([(Fault::Refused, 1), (Fault::Timeout, 1), (Fault::Other, 1)])
            );
            let failure = latest.failure.as_ref().expect("the last cycle failed");
            assert!(failure.message.contains("of purpose"), "{}", failure.message);
        }
        time::sleep(seconds(15)).await;
        let latest = latest.borrow().clone();
        assert_eq!(latest.fresh().map(|value| **value), Some(2));
        assert!(latest.failure.is_none());
        assert!(latest.tried());
        stop.cancel();
        task.await.expect("the task ends without a panic");
    }

    #[tokio::test(start_paused = true)]
    async fn task_that_is_stopped_during_or_between_cycles_runs_its_end() {
        struct Orderly(Step, Arc<AtomicBool>);
        impl Cycle for Orderly {
            type Snapshot = u32;
            async fn cycle(&mut self) -> Result<u32, kafka::Error> {
                match self.0 {
                    Step::Hang => std::future::pending().await,
                    _ => Ok(1),
                }
            }
            async fn end(&mut self) {
                self.1.store(true, Relaxed);
            }
        }
        for step in [Step::Hang, Step::Good(1)] {
            let ended = Arc::new(AtomicBool::new(false));
            let (publisher, latest) = watch::channel(Latest::new(seconds(10)));
            let stop = CancellationToken::new();
            let schedule = Schedule::every("cluster/task", seconds(10), seconds(10));
            let task = tokio::spawn(run(Orderly(step, ended.clone()), schedule, publisher, stop.clone()));
            time::sleep(seconds(5)).await;
            assert!(!ended.load(Relaxed) && latest.borrow().failure.is_none());
            stop.cancel();
            task.await.expect("the task ends without a panic");
            assert!(ended.load(Relaxed));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stop_in_the_middle_of_a_cycle_ends_the_task_at_once() {
        let (latest, _, stop, task) = start(vec![Step::Hang]);
        time::sleep(seconds(1)).await;
        let before = Instant::now();
        stop.cancel();
        task.await.expect("the task ends without a panic");
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert!(!latest.borrow().tried(), "a dropped cycle is not counted");
    }

    #[tokio::test(start_paused = true)]
    async fn refused_login_is_not_repeated_for_a_nudge() {
        let (latest, schedule, stop, task) =
            start(vec![Step::Locked, Step::Locked, Step::Good(1), Step::Good(2)]);
        for _ in 0..25 {
            time::sleep(seconds(1)).await;
            schedule.nudge.notify_one();
        }
        assert_eq!(latest.borrow().cycles[Ending::Failed as usize], 2, "at 0 and 10 seconds");
        assert!(latest.borrow().cycles[Ending::Ok as usize] == 2, "at 20 seconds, and then by a nudge");
        stop.cancel();
        task.await.expect("the task ends without a panic");
    }

    #[tokio::test(start_paused = true)]
    async fn nudge_starts_at_most_one_cycle_a_second() {
        let (latest, schedule, stop, task) = start((0..100).map(Step::Good).collect());
        time::sleep(seconds(2)).await;
        for _ in 0..40 {
            schedule.nudge.notify_one();
            time::sleep(Duration::from_millis(100)).await;
        }
        let cycles = latest.borrow().cycles[Ending::Ok as usize];
        assert!((4..=6).contains(&cycles), "{cycles} cycles in six seconds with nudges for four");
        stop.cancel();
        task.await.expect("the task ends without a panic");
    }
}
