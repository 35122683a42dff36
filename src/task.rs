//! The only loop in the program.
//!
//! A task implements [`Cycle`]; [`run`] does what all of them need: tick, deadline, panic guard,
//! counting, logging, publishing, stopping. So nobody can forget a timeout or a counter. A failed
//! cycle leaves the previous snapshot with its age; readers drop it when it is older than three
//! intervals ([`Latest::fresh`]).

use std::{
    any::Any,
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::FutureExt;
use tokio::{
    sync::{Notify, watch},
    time::{self, Instant, MissedTickBehavior},
};
use tokio_metrics::{TaskMetrics, TaskMonitor};
use tokio_util::sync::CancellationToken;

use crate::{
    closed_enum::closed_enum,
    kafka::{
        self,
        fault::{Fault, Stage},
    },
    text::Chain,
};

/// A nudged task still keeps this distance between two cycles.
const NUDGE_GAP: Duration = Duration::from_secs(1);

/// While a task keeps failing, every so many failures are logged.
const LOG_EVERY: u64 = 100;

/// One periodic piece of work.
///
/// A cycle looks at the cluster once and says what it saw. It takes no input and never
/// retries: the next tick is the retry.
pub trait Cycle: Send + 'static {
    /// What one cycle learned. Published whole, replaced whole, never edited.
    type Snapshot: Send + Sync + 'static;

    /// Does the work once. May be dropped at any await: keep `self` valid across them.
    fn cycle(&mut self) -> impl Future<Output = Result<Self::Snapshot, kafka::Error>> + Send;

    /// What is left to do when there will be no more cycles.
    fn end(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// When a task runs.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// `cluster/task`, for the log.
    pub name: String,
    /// From one tick to the next.
    pub interval: Duration,
    /// A cycle that takes longer is dropped and counted as timed out.
    pub timeout: Duration,
    /// Before the first tick, so that tasks do not all start at once.
    pub delay: Duration,
    /// Whoever notifies this asks for a cycle now; at most one a second is granted.
    pub nudge: Arc<Notify>,
}

impl Schedule {
    /// A schedule that begins at once.
    pub fn every(name: impl Into<String>, interval: Duration, timeout: Duration) -> Self {
        Self { name: name.into(), interval, timeout, delay: Duration::ZERO, nudge: Arc::default() }
    }
}

closed_enum! {
    /// How a cycle ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Ending {
        /// With a snapshot.
        Ok = "ok",
        /// With an error.
        Failed = "failed",
        /// Not within its timeout.
        TimedOut = "timed_out",
        /// With a panic: a bug of ours.
        Panicked = "panicked",
    }
}

/// Why the last cycle gave no snapshot.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind.
    pub fault: Fault,
    /// The stage of opening a session, where it failed there.
    pub stage: Option<Stage>,
    /// The whole chain of errors in one line.
    pub message: String,
    /// When the run of failures began.
    pub since: SystemTime,
}

/// A task's last word, and its own record.
#[derive(Debug)]
pub struct Latest<T> {
    /// From one tick to the next, of the task that publishes.
    pub interval: Duration,
    /// The last good snapshot and when it was taken.
    pub snapshot: Option<(Arc<T>, Instant)>,
    /// When it was taken, on the wall clock. Read once: computed anew, it would differ from reader to reader.
    pub succeeded: Option<SystemTime>,
    /// Cycles by [`Ending`], in the order of [`Ending::ALL`].
    pub cycles: [u64; 4],
    /// Failed and timed-out cycles by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// How long the last cycle took, however it ended.
    pub last_duration: Option<Duration>,
    /// Why the last cycle failed; `None` after a good one.
    pub failure: Option<Failure>,
    /// How all cycles went about it.
    pub polls: Polls,
}

/// How a task used its turns on the workers: long ones hold up others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polls {
    /// Turns.
    pub count: u64,
    /// Of these, the ones that were longer than [`tokio_metrics`] finds good, 50 µs.
    pub slow: u64,
    /// All of them together.
    pub busy: Duration,
}

impl<T> Latest<T> {
    /// Nothing known yet.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            snapshot: None,
            succeeded: None,
            cycles: [0; 4],
            faults: BTreeMap::new(),
            last_duration: None,
            failure: None,
            polls: Polls::default(),
        }
    }

    /// The snapshot, unless it is older than three intervals.
    pub fn fresh(&self) -> Option<&Arc<T>> {
        let (snapshot, taken) = self.snapshot.as_ref()?;
        (taken.elapsed() <= 3 * self.interval).then_some(snapshot)
    }

    /// Whether the task has tried at least once.
    pub fn tried(&self) -> bool {
        self.record().tried()
    }

    /// What is known of the task itself, whatever its snapshots are.
    pub fn record(&self) -> Record<'_> {
        let Self { interval, succeeded, cycles, faults, last_duration, polls, .. } = self;
        Record {
            interval: *interval,
            succeeded: *succeeded,
            cycles: *cycles,
            faults,
            last_duration: *last_duration,
            polls: *polls,
        }
    }
}

/// A task's own record; the fields are those of [`Latest`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// From one tick to the next.
    pub interval: Duration,
    /// When the last good snapshot was taken.
    pub succeeded: Option<SystemTime>,
    /// Cycles by [`Ending`], in the order of [`Ending::ALL`].
    pub cycles: [u64; 4],
    /// Failed and timed-out cycles by kind.
    pub faults: &'a BTreeMap<Fault, u64>,
    /// How long the last cycle took.
    pub last_duration: Option<Duration>,
    /// How all cycles used the async workers.
    pub polls: Polls,
}

impl Record<'_> {
    /// Whether the task has tried at least once.
    pub fn tried(&self) -> bool {
        self.cycles.iter().any(|count| *count > 0)
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self {
            interval: self.interval,
            snapshot: self.snapshot.clone(),
            succeeded: self.succeeded,
            cycles: self.cycles,
            faults: self.faults.clone(),
            last_duration: self.last_duration,
            failure: self.failure.clone(),
            polls: self.polls,
        }
    }
}

/// Runs cycles until `stop`; a stop in the middle of a cycle drops it.
pub async fn run<C: Cycle>(
    mut work: C,
    schedule: Schedule,
    publisher: watch::Sender<Latest<C::Snapshot>>,
    stop: CancellationToken,
) {
    cycles(&mut work, schedule, publisher, stop).await;
    work.end().await;
}

async fn cycles<C: Cycle>(
    work: &mut C,
    schedule: Schedule,
    publisher: watch::Sender<Latest<C::Snapshot>>,
    stop: CancellationToken,
) {
    let mut ticks = time::interval_at(Instant::now() + schedule.delay, schedule.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut log = Log { name: &schedule.name, failures: 0 };
    let mut login_refused = false;
    let turns = TaskMonitor::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
            // A refused login is not repeated in haste: some places lock an account for that.
            () = schedule.nudge.notified(), if !login_refused => ticks.reset(),
        }
        let begun = Instant::now();
        let guarded = AssertUnwindSafe(turns.instrument(work.cycle())).catch_unwind();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = time::timeout(schedule.timeout, guarded) => ended,
        };
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
        let polls = Polls::of(&turns.cumulative());
        publisher.send_modify(|latest| {
            latest.note(ending, result, took);
            latest.polls = polls;
        });
        // A nudge that came meanwhile is granted, but not at once.
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = time::sleep(NUDGE_GAP.min(schedule.interval).saturating_sub(took)) => {}
        }
    }
}

impl Polls {
    fn of(turns: &TaskMetrics) -> Self {
        Self {
            count: turns.total_poll_count,
            slow: turns.total_slow_poll_count,
            busy: turns.total_poll_duration,
        }
    }
}

impl<T> Latest<T> {
    fn note(&mut self, ending: Ending, result: Result<T, kafka::Error>, took: Duration) {
        self.cycles[ending as usize] += 1;
        self.last_duration = Some(took);
        match result {
            Ok(snapshot) => {
                self.snapshot = Some((Arc::new(snapshot), Instant::now()));
                self.succeeded = Some(SystemTime::now());
                self.failure = None;
            }
            Err(error) => {
                *self.faults.entry(error.fault()).or_default() += 1;
                let since = self.failure.as_ref().map_or_else(SystemTime::now, |failure| failure.since);
                self.failure = Some(Failure {
                    fault: error.fault(),
                    stage: error.stage(),
                    message: Chain(&error).to_string(),
                    since,
                });
            }
        }
    }
}

/// Logs the first failure of a run of them, every hundredth, and the recovery.
struct Log<'a> {
    name: &'a str,
    failures: u64,
}

impl Log<'_> {
    fn note<T>(&mut self, result: &Result<T, kafka::Error>) {
        match result {
            Ok(_) if self.failures > 0 => {
                tracing::info!(task = self.name, failures = self.failures, "works again");
                self.failures = 0;
            }
            Ok(_) => {}
            Err(error) => {
                // The task that this one waits for has failed, and has a line of its own in the log.
                if error.fault() == Fault::NotReady {
                    tracing::debug!(task = self.name, "has to wait: {}", Chain(error));
                    return;
                }
                self.failures += 1;
                if self.failures % LOG_EVERY == 1 {
                    let cluster = self.name.rsplit_once('/').map_or(self.name, |(cluster, _)| cluster);
                    let hint = error.fault().hint_once(cluster);
                    let (task, fault, failures) = (self.name, error.fault().as_str(), self.failures);
                    tracing::warn!(task, fault, failures, hint, "failed: {}", Chain(error));
                }
            }
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", words.unwrap_or("without words"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    /// Plays a script, one step a cycle; hangs when it is over.
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
    async fn the_loop_survives_errors_hangs_and_panics_and_keeps_the_last_snapshot() {
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
    async fn whatever_it_is_doing_a_stopped_task_ends_in_order() {
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
    async fn a_stop_in_the_middle_of_a_cycle_ends_the_task_at_once() {
        let (latest, _, stop, task) = start(vec![Step::Hang]);
        time::sleep(seconds(1)).await;
        let before = Instant::now();
        stop.cancel();
        task.await.expect("the task ends without a panic");
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert!(!latest.borrow().tried(), "a dropped cycle counts as nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_not_repeated_for_a_nudge() {
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
    async fn a_nudge_brings_the_next_cycle_forward_but_not_more_than_one_a_second() {
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
