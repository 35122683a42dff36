//! What the matrix prints: one line for each case, and a table at the end.

use std::{fmt, time::Duration};

use crate::{
    case::{Confidence, LOAD, Pattern},
    timeline::Suspect,
};

/// The cases that the diagnosis does not pass yet, and what it lacks. Their lines and times are printed like all others.
const EXPECTED_LATER: &[(&str, &str)] = &[];

/// The result of one case.
pub(crate) struct Row {
    name: &'static str,
    /// The wanted suspects, each with the highest confidence that it had.
    pub(crate) seen: Vec<Suspect>,
    suspicion: Option<Duration>,
    likely: Option<Duration>,
    /// The time from the end of the fault until nothing was suspected.
    pub(crate) clear: Option<Duration>,
    /// Suspects that nothing allows, of low confidence.
    weak: Vec<String>,
    /// Why the case fails.
    pub(crate) problems: Vec<String>,
    /// What helps to find the cause of a failure.
    pub(crate) details: String,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        let (seen, weak, problems, details) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        Self { name, seen, suspicion: None, likely: None, clear: None, weak, problems, details }
    }

    /// A case that ended with a panic.
    pub(crate) fn broken(name: &'static str, why: String) -> Self {
        Self { problems: vec![why], ..Self::new(name) }
    }

    /// Notes when a wanted suspect appeared, and when it had the least confidence. Of two suspects the later one counts.
    pub(crate) fn note_times(
        &mut self,
        wanted: &[Pattern],
        (suspicion, likely): (Option<Duration>, Option<Duration>),
        limits: (Duration, Duration),
    ) {
        self.suspicion = self.suspicion.max(suspicion);
        self.likely = self.likely.max(likely);
        for (time, limit, what) in
            [(suspicion, limits.0, "suspected"), (likely, limits.1, "as sure as wanted")]
        {
            match time {
                None => self.problems.push(format!("{wanted:?} is not {what}")),
                Some(time) if time > limit.mul_f64(LOAD) => {
                    self.problems.push(format!("{wanted:?} is {what} after {:.1} s", time.as_secs_f64()));
                }
                Some(_) => {}
            }
        }
    }

    /// Notes a suspect that the case does not allow. Of low confidence it is no failure.
    pub(crate) fn note_wrong(&mut self, suspect: &Suspect, at: Duration) {
        let list = if suspect.confidence >= Confidence::Likely { &mut self.problems } else { &mut self.weak };
        let words = format!("{suspect} is wrong");
        if !list.iter().any(|line| line.starts_with(&words)) {
            list.push(format!("{words} ({:.1} s: {})", at.as_secs_f64(), suspect.headline));
        }
    }

    /// Whether the case fails, and is not one of those that cannot pass yet.
    pub(crate) fn has_failed(&self) -> bool {
        !self.problems.is_empty() && !self.is_expected_later()
    }

    fn is_expected_later(&self) -> bool {
        self.lack().is_some()
    }

    /// What the diagnosis lacks for this case, if it cannot pass yet.
    fn lack(&self) -> Option<&'static str> {
        EXPECTED_LATER.iter().find(|(name, _)| *name == self.name).map(|(_, lack)| *lack)
    }

    fn result(&self) -> &'static str {
        match (self.problems.is_empty(), self.is_expected_later()) {
            (true, false) => "ok",
            (true, true) => "ok, remove it from EXPECTED_LATER",
            (false, true) => "later",
            (false, false) => "FAILED",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
        let seen: Vec<_> =
            self.seen.iter().map(|suspect| format!("{suspect}: {}", suspect.headline)).collect();
        let seen = if seen.is_empty() { "nobody".to_owned() } else { seen.join("; ") };
        write!(
            f,
            "{:<52} {:>6} {:>6} {:>6}  {:<6} {seen}",
            self.name,
            time(self.suspicion),
            time(self.likely),
            time(self.clear),
            self.result(),
        )?;
        self.weak.iter().try_for_each(|line| write!(f, " | {line}"))?;
        self.problems.iter().try_for_each(|line| write!(f, " | BUT {line}"))?;
        self.lack().iter().try_for_each(|lack| write!(f, " | LATER: {lack}"))
    }
}

/// Prints the table of all cases, and the line that ends the output of every test binary. Returns whether all is well.
pub(crate) fn print(rows: &[Row], took: Duration) -> bool {
    println!("\n{:<52} {:>6} {:>6} {:>6}  result suspect", "fault", "susp.", "likely", "clear");
    rows.iter().for_each(|row| println!("{row}"));
    let failed = rows.iter().filter(|row| row.has_failed()).count();
    let later = rows.iter().filter(|row| !row.problems.is_empty() && !row.has_failed()).count();
    let words = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {words}. {} passed; {failed} failed; {later} ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        rows.len() - failed - later,
        took.as_secs_f64()
    );
    failed == 0
}
