//! The progress of a wait: on a terminal one line that is written again, otherwise one line for each change.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crate::{
    oneshot::gate::{Cluster, Reply},
    text,
};

/// The width of a terminal that does not say its own.
const WIDTH: usize = 80;

/// The progress, on standard error.
pub(super) struct Progress {
    is_terminal: bool,
    width: usize,
    /// How long the wait may take.
    limit: Duration,
    /// What the last line was about.
    shown: Option<String>,
}

impl Progress {
    pub(super) fn new(limit: Duration) -> Self {
        let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(WIDTH);
        Self { is_terminal: io::stderr().is_terminal(), width, limit, shown: None }
    }

    /// Shows an answer of the service, or why there is none, after some time of waiting.
    pub(super) fn show(&mut self, passed: Duration, seen: Result<&Reply, &str>) {
        let (subject, words) = match seen {
            Ok(reply) => closed(reply),
            Err(error) => (error.to_owned(), error.to_owned()),
        };
        if self.is_terminal {
            let line = format!("{} s of {}: {words}", passed.as_secs(), text::duration(self.limit));
            let line: String = line.chars().take(self.width.saturating_sub(1)).collect();
            write(&format!("\r\x1b[2K{line}"));
        } else if self.shown.as_ref() != Some(&subject) {
            write(&format!("{:>4} s: {words}\n", passed.as_secs()));
        }
        self.shown = Some(subject);
    }

    /// Removes the line from the terminal.
    pub(super) fn end(&self) {
        if self.is_terminal && self.shown.is_some() {
            write("\r\x1b[2K");
        }
    }
}

/// What a closed gate is about, and the words for it. The words may change each second; what it is about does not.
fn closed(reply: &Reply) -> (String, String) {
    let left = reply.clusters.iter().map(|cluster| cluster.seconds_left);
    let left = left.collect::<Option<Vec<f64>>>().and_then(|left| left.into_iter().reduce(f64::max));
    if let Some(left) = left {
        let words = format!("everything is good now; the gate opens in {left:.0} s if that lasts");
        return ("good".to_owned(), words);
    }
    let (mut labels, mut first) = (Vec::new(), None);
    for Cluster { cluster, reasons, .. } in &reply.clusters {
        for reason in reasons.iter().filter(|reason| reason.last_seen_seconds_ago.is_none()) {
            first = first.or_else(|| Some(text::escaped(&format!("{cluster}: {}", reason.sentence))));
            let label = text::escaped(&reason.condition);
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
    }
    let labels = labels.join(", ");
    let words = format!("closed by {labels}: {}", first.unwrap_or_default());
    (labels, words)
}

fn write(words: &str) {
    let mut stderr = io::stderr();
    _ = stderr.write_all(words.as_bytes());
    _ = stderr.flush();
}
