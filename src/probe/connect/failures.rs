//! Connectors and tasks that have failed, as sentences for people.

use std::time::SystemTime;

use crate::newest::Newest;

/// So many failures are kept: the newest.
const MOST: usize = 50;

/// If more connectors and tasks of a Connect cluster than this fail in one cycle, they share a sentence, which names the first of them.
const FEW: usize = 5;

/// A connector or a task that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedPart {
    pub(super) connector: String,
    /// The number of the task. `None` for the connector itself.
    pub(super) task: Option<u32>,
    pub(super) worker: String,
    /// The first line of the trace. `None` if the worker reports none.
    pub(super) trace: Option<String>,
}

impl FailedPart {
    /// The name of the part: `task 3 of connector orders`.
    fn name(&self) -> String {
        match self.task {
            Some(task) => format!("task {task} of connector {}", self.connector),
            None => format!("connector {}", self.connector),
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// When the state was read.
    pub at: SystemTime,
    /// The Connect cluster, and the connector if the event is about one.
    pub subject: String,
    /// The event as a whole sentence. The text may be hostile.
    pub sentence: String,
}

/// The newest failures.
pub type Failures = Newest<Failed, MOST>;

/// Words what failed in one cycle of a Connect cluster.
pub(super) fn worded(connect: &str, failed: &[FailedPart], at: SystemTime) -> Vec<Failed> {
    if failed.len() > FEW {
        let names: Vec<_> = failed.iter().take(FEW).map(FailedPart::name).collect();
        let (count, names) = (failed.len(), names.join(", "));
        let sentence =
            format!("{count} connectors and tasks of Connect cluster {connect} failed: {names} and others.");
        return vec![Failed { at, subject: connect.to_owned(), sentence }];
    }
    let one = |part: &FailedPart| {
        let (name, trace) = (capital(&part.name()), part.trace.as_deref().unwrap_or("no reason is reported"));
        let on = if part.worker.is_empty() { String::new() } else { format!(" on worker {}", part.worker) };
        let trace = trace.trim_end_matches('.');
        let sentence = format!("{name} of Connect cluster {connect} failed{on}: {trace}.");
        Failed { at, subject: format!("{connect} {}", part.connector), sentence }
    };
    failed.iter().map(one).collect()
}

/// A name with a capital letter at its beginning.
fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(task: Option<u32>, trace: Option<&str>) -> FailedPart {
        let trace = trace.map(str::to_owned);
        FailedPart { connector: "orders".to_owned(), task, worker: "a:8083".to_owned(), trace }
    }

    #[test]
    fn few_failures_have_a_sentence_each_and_many_share_one() {
        let at = SystemTime::UNIX_EPOCH;
        let sentences = |failed: &[FailedPart]| -> Vec<String> {
            worded("payments", failed, at).into_iter().map(|failed| failed.sentence).collect()
        };
        let few = [part(Some(3), Some("java.io.IOException: disk is full.")), part(None, None)];
        assert_eq!(
            sentences(&few),
            [
                "Task 3 of connector orders of Connect cluster payments failed on worker a:8083: java.io.IOException: disk \
                 is full.",
                "Connector orders of Connect cluster payments failed on worker a:8083: no reason is reported.",
            ]
        );
        let many: Vec<_> = (0..60).map(|task| part(Some(task), None)).collect();
        let many = sentences(&many);
        assert!(many.len() == 1 && many[0].starts_with("60 connectors and tasks"), "{many:?}");
    }
}
