//! `gate`: waits until the next broker may be stopped.

use std::time::Duration;

use serde_json::json;

use super::{
    arguments::Gate,
    configuration::{Environment, refuse},
    progress::Progress,
    runtime::on_runtime,
    terminal::{complain, say},
};
use crate::{
    config::{self, Sources},
    exit::Exit,
    oneshot::{
        Format,
        gate::{self, Ended, Question, Reply, Service},
    },
    text,
};

/// Asks the service at the URL, or the service that has this configuration, until its gate is open or the time is over.
pub(super) fn wait(arguments: Gate, env: Environment) -> Exit {
    let Gate { wanted, timeout, cluster, url, ca, config: file, format } = arguments;
    // No broker is asked, so none needs to be named.
    let bootstrap = file.is_none().then(|| "localhost:9092".to_owned());
    let http = match config::read(&Sources { file, env, bootstrap, ..Sources::default() }) {
        Ok((config, _)) => config.http,
        Err(errors) => return refuse(errors),
    };
    let service = match Service::new(&Question { url, ca, wanted, cluster }, &http) {
        Ok(service) => service,
        Err(error) => {
            complain(&error);
            return Exit::Config;
        }
    };
    let mut progress = Progress::new(timeout);
    let waited = on_runtime(gate::wait(&service, timeout, |passed, seen| progress.show(passed, seen)));
    progress.end();
    waited.map_or(Exit::Internal, |ended| report(ended, format, timeout))
}

/// Prints how the wait ended.
fn report(ended: Ended, format: Format, timeout: Duration) -> Exit {
    let waited = text::duration(timeout);
    let (exit, words, value) = match ended {
        Ended::Open(reply, value) => (Exit::Ok, format!("The gate is open.\n{}", sentences(&reply)), value),
        Ended::Closed(reply, value) => {
            let words = format!("The gate is still closed after {waited}.\n{}", sentences(&reply));
            (Exit::Unavailable, words, value)
        }
        Ended::Silent(error) => {
            let value = json!({ "open": false, "error": error });
            (Exit::Unavailable, format!("The gate is not known after {waited}: {error}.\n"), value)
        }
        Ended::Refused(error) => {
            complain(&error);
            return Exit::Config;
        }
    };
    match format {
        Format::Text => say(&words),
        Format::Json => say(&format!("{value}\n")),
    }
    exit
}

/// The reasons, and what is not checked: one line for each.
fn sentences(reply: &Reply) -> String {
    let mut lines = String::new();
    for cluster in &reply.clusters {
        let name = text::escaped(&cluster.cluster);
        for reason in &cluster.reasons {
            lines += &format!("{name}: {}\n", text::escaped(&reason.sentence));
        }
        for reason in &cluster.not_checked {
            lines += &format!("{name}, not checked: {}\n", text::escaped(&reason.sentence));
        }
    }
    lines
}
