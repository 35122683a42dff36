//! `topic plan` and `topic apply`: one cycle of topic assurance.

use std::{fmt::Write, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, Checked},
    cluster::metadata,
    config::Config,
    exit::Exit,
    kafka::{Error, wire},
    probe::topic,
    task::{self, Latest, Schedule},
    text::Chain,
};

/// Whether the changes of topic assurance are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// The report lists the changes; nothing is changed.
    Planned,
    /// The changes are made, and the report counts them.
    Applied,
}

/// Plans, or applies, the changes of topic assurance on each cluster. Returns the report, and [`Exit::Unavailable`] if a plan
/// could not be made or a change that was to be applied is still to be made.
///
/// # Errors
/// What is wrong with the configuration.
pub async fn assure_topic(mut config: Config, changes: Changes) -> Result<(String, Exit), String> {
    let checked = app::check(&mut config).map_err(|errors| errors.to_string())?;
    let (mut report, mut exit) = (String::new(), Exit::Ok);
    for checked in &checked {
        let name = &checked.cluster.name;
        let words = match assure(checked, changes).await {
            Ok(Assured { words, left: 0 }) => words,
            Ok(Assured { words, .. }) => {
                exit = Exit::Unavailable;
                words
            }
            Err(error) => {
                exit = Exit::Unavailable;
                format!("  no plan can be made: {}\n", Chain(&error))
            }
        };
        write!(report, "cluster {name}, topic {}\n{words}", checked.cluster.heartbeat.topic)
            .expect("writing to a String cannot fail");
    }
    Ok((report, exit))
}

/// The part of the report about one cluster.
struct Assured {
    words: String,
    /// The number of changes that were to be applied and are still to be made.
    left: usize,
}

async fn assure(checked: &Checked, changes: Changes) -> Result<Assured, Error> {
    let cluster = &checked.cluster;
    let wire = Arc::new(wire::Cluster::new(checked.wire.clone(), cluster.metadata.timeout));
    let (publish, metadata) = watch::channel(Latest::new(cluster.metadata.interval));
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let every = Schedule::every(
        format!("{}/metadata", cluster.name),
        cluster.metadata.interval,
        cluster.metadata.timeout,
    );
    let nudge = every.nudge.clone();
    tokio::spawn(task::run(metadata::Probe::new(cluster.clone(), wire.clone()), every, publish, stop));
    let mut probe = topic::Probe::new(cluster.clone(), wire, metadata, nudge);
    let mut snapshot = probe.inspect().await?;
    let mut words = String::new();
    for action in &snapshot.pending {
        words.push_str(&format!("  {action}\n"));
    }
    if snapshot.pending.is_empty() {
        words.push_str("  nothing to do\n");
    }
    for reason in &snapshot.blocked {
        words.push_str(&format!("  held: {}\n", reason.as_str().replace('_', " ")));
    }
    let mut left = 0;
    if changes == Changes::Applied {
        let planned = snapshot.pending.len();
        let done = probe.apply(&mut snapshot).await?;
        words.push_str(&format!("  {done} of {planned} done\n"));
        left = snapshot.pending.len();
    }
    Ok(Assured { words, left })
}
