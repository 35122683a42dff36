//! The connectors of a Connect cluster, followed from one cycle to the next.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    failures::FailedPart,
    listing::{Listing, Read},
    part::Part,
    status::{Direction, Status},
};

/// A connector or task that fails again and again is an event once in this time.
const QUIET: Duration = Duration::from_secs(600);

/// The connectors that a worker listed last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connectors {
    /// The connectors by name. Names may be hostile.
    pub by_name: BTreeMap<Arc<str>, Connector>,
    /// The number of connectors that the answer held and that are not kept, because there are too many.
    pub left_out: usize,
    /// The number of connectors by state, in the order of [`Status::ALL`].
    pub connectors: [u64; Status::ALL.len()],
    /// The number of tasks by state, in the order of [`Status::ALL`].
    pub tasks: [u64; Status::ALL.len()],
    /// The number of tasks by the worker to which they are assigned. Names may be hostile.
    pub workers: BTreeMap<Arc<str>, u64>,
}

/// One connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// What it does.
    pub direction: Direction,
    /// The connector itself.
    pub part: Part,
    /// Its tasks by number.
    pub tasks: BTreeMap<u32, Part>,
    /// How often the connector or one of its tasks was in another state than in the cycle before.
    pub changes: u64,
    /// How often the connector or one of its tasks was failed and had not been failed in the cycle before.
    pub failures: u64,
}

impl Connector {
    /// Whether the connector or one of its tasks is failed.
    pub fn has_failed(&self) -> bool {
        self.parts().any(|part| part.status == Status::Failed)
    }

    /// The connector itself, and its tasks.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.part).chain(self.tasks.values())
    }

    /// The number of tasks by state, in the order of [`Status::ALL`].
    pub fn by_status(&self) -> [u64; Status::ALL.len()] {
        let mut counts = [0; Status::ALL.len()];
        self.tasks.values().for_each(|task| counts[task.status as usize] += 1);
        counts
    }

    /// The connector as it is read now, with what is known from the cycle before. Adds the parts whose failure is an event.
    fn next(name: &str, read: Read, known: Known<'_>, failed: &mut Vec<FailedPart>) -> Self {
        let Read { direction, connector, tasks } = read;
        let before = known.connector;
        let mut next = Self {
            direction,
            part: connector,
            tasks,
            changes: before.map_or(0, |before| before.changes),
            failures: before.map_or(0, |before| before.failures),
        };
        let parts = next.tasks.iter_mut().map(|(number, task)| (Some(*number), task));
        for (task, part) in std::iter::once((None, &mut next.part)).chain(parts) {
            let was = before.and_then(|before| match task {
                Some(number) => before.tasks.get(&number),
                None => Some(&before.part),
            });
            part.noted = was.and_then(|was| was.noted);
            if let Some(was) = was.filter(|was| was.status == part.status) {
                part.since = was.since;
                continue;
            }
            next.changes += u64::from(was.is_some());
            if part.status != Status::Failed {
                continue;
            }
            next.failures += u64::from(!known.is_first);
            let is_quiet = part
                .noted
                .is_some_and(|noted| part.since.duration_since(noted).is_ok_and(|passed| passed < QUIET));
            if !is_quiet {
                part.noted = Some(part.since);
                let (connector, worker) = (name.to_owned(), part.worker.to_string());
                let trace = part.trace.as_deref().map(str::to_owned);
                failed.push(FailedPart { connector, task, worker, trace });
            }
        }
        next
    }
}

/// What is known of a connector from the cycle before.
#[derive(Clone, Copy)]
struct Known<'a> {
    /// `None` if there was no such connector.
    connector: Option<&'a Connector>,
    /// Whether there was no cycle before.
    is_first: bool,
}

impl Connectors {
    /// The connectors as they are read now, and the parts whose failure is an event. `before` are those of the cycle before.
    pub(super) fn next(before: Option<&Self>, listing: Listing) -> (Self, Vec<FailedPart>) {
        let mut next = Self { left_out: listing.left_out, ..Self::default() };
        let mut failed = Vec::new();
        for (name, read) in listing.connectors {
            let connector = before.and_then(|before| before.by_name.get(&name));
            let known = Known { connector, is_first: before.is_none() };
            let connector = Connector::next(&name, read, known, &mut failed);
            next.connectors[connector.part.status as usize] += 1;
            for task in connector.tasks.values() {
                next.tasks[task.status as usize] += 1;
                *next.workers.entry(task.worker.clone()).or_default() += 1;
            }
            next.by_name.insert(name, connector);
        }
        (next, failed)
    }

    /// At most so many connectors, those with a failure first.
    pub fn worst(&self, most: usize) -> impl Iterator<Item = (&Arc<str>, &Connector)> {
        let of = |wanted: bool| self.by_name.iter().filter(move |(_, one)| one.has_failed() == wanted);
        of(true).chain(of(false)).take(most)
    }

    /// The number of connectors that [`Connectors::worst`] leaves out, and of those that are not kept.
    pub fn beyond(&self, most: usize) -> usize {
        self.by_name.len().saturating_sub(most) + self.left_out
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::{
        super::{listing::read, test_support::filter},
        *,
    };

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    /// The state of the connector `c` and of its tasks, as a worker writes them.
    fn listed(connector: &str, tasks: &[&str], second: u64) -> Listing {
        let tasks: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(id, state)| {
                format!(r#"{{"id":{id},"state":"{state}","worker_id":"a:1","trace":"x.Y: z\n\tat w"}}"#)
            })
            .collect();
        let text = format!(
            r#"{{"c":{{"status":{{"name":"c","connector":{{"state":"{connector}","worker_id":"a:1"}},"tasks":[{}],"type":"sink"}}}}}}"#,
            tasks.join(",")
        );
        read(text.as_bytes(), &filter(&[]), at(second)).expect("a listing")
    }

    #[test]
    fn change_of_a_state_is_counted_and_a_new_failure_is_an_event_once_in_a_while() {
        let (first, failed) = Connectors::next(None, listed("RUNNING", &["RUNNING", "FAILED"], 0));
        assert_eq!(failed.len(), 1, "what is failed at the start is an event");
        assert_eq!((failed[0].task, failed[0].trace.as_deref()), (Some(1), Some("x.Y: z")));
        assert_eq!((first.by_name["c"].failures, first.by_name["c"].changes), (0, 0));
        assert_eq!((first.tasks[..2].to_vec(), first.workers["a:1"]), (vec![1, 1], 2));
        let mut known = first;
        let mut events = 0;
        for cycle in 1..=80 {
            let flapping = if cycle % 2 == 0 { "FAILED" } else { "RUNNING" };
            let (next, failed) =
                Connectors::next(Some(&known), listed("RUNNING", &["RUNNING", flapping], 15 * cycle));
            events += failed.len();
            known = next;
        }
        let connector = &known.by_name["c"];
        assert_eq!((connector.failures, connector.changes), (40, 80));
        assert_eq!(events, 2, "at 600 s and at 1200 s");
        assert_eq!((connector.tasks[&0].since, connector.tasks[&1].since), (at(0), at(1200)));
    }

    #[test]
    fn connector_that_appears_failed_counts_and_one_that_was_deleted_is_forgotten() {
        let (none, _) = Connectors::next(None, Listing::default());
        let (one, failed) = Connectors::next(Some(&none), listed("FAILED", &[], 1));
        assert_eq!((one.by_name["c"].failures, one.by_name["c"].changes, failed.len()), (1, 0, 1));
        assert_eq!((one.worst(0).count(), one.beyond(0), one.connectors[1]), (0, 1, 1));
        let (none, failed) = Connectors::next(Some(&one), Listing::default());
        assert!(none.by_name.is_empty() && failed.is_empty());
    }

    /// 1,000 connectors with 10 tasks each, every second of which has failed with a trace of 2 kB.
    #[test]
    fn ten_thousand_tasks_are_read_and_followed_quickly() {
        let trace = "org.apache.kafka.connect.errors.ConnectException: x\\n\\tat a.b.C(D.java:1)".to_owned()
            + &"\\n\\tat org.apache.kafka.connect.runtime.WorkerTask.doRun(WorkerTask.java:258)".repeat(28);
        let task = |id: usize| match id % 2 {
            0 => format!(r#"{{"id":{id},"state":"RUNNING","worker_id":"connect-{}:8083"}}"#, id % 7),
            _ => format!(r#"{{"id":{id},"state":"FAILED","worker_id":"connect-1:8083","trace":"{trace}"}}"#),
        };
        let tasks = (0..10).map(task).collect::<Vec<_>>().join(",");
        let entries: Vec<_> = (0..1000)
            .map(|number| {
                format!(
                    r#""c{number}":{{"status":{{"name":"c{number}","connector":{{"state":"RUNNING","worker_id":"a:1"}},"tasks":[{tasks}],"type":"sink"}}}}"#
                )
            })
            .collect();
        let text = format!("{{{}}}", entries.join(","));
        let filter = filter(&[("connectors.exclude", "test-.*")]);
        let begun = Instant::now();
        let (first, _) =
            Connectors::next(None, read(text.as_bytes(), &filter, SystemTime::UNIX_EPOCH).expect("JSON"));
        let (next, failed) =
            Connectors::next(Some(&first), read(text.as_bytes(), &filter, SystemTime::now()).expect("JSON"));
        // Without optimisation this takes 20 times as long as in a release.
        assert!(begun.elapsed().as_secs() < 10, "{:?} for {} MB", begun.elapsed(), text.len() >> 20);
        assert_eq!((next.tasks[..2].to_vec(), failed.len()), (vec![5000, 5000], 0));
    }
}
