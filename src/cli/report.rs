//! `probe` and `topic`: commands that connect, report and exit.

use super::{
    arguments::Connection,
    configuration::{Environment, load},
    runtime::on_runtime,
    terminal::{complain, say},
};
use crate::{config::Config, exit::Exit, logs};

/// Runs a command that returns a report, and prints the report.
pub(super) fn report<F>(
    connection: &Connection,
    environment: Environment,
    work: impl FnOnce(Config) -> F,
) -> Exit
where
    F: Future<Output = Result<(String, Exit), String>>,
{
    let mut config = match load(&connection.sources(environment)) {
        Ok((config, _)) => config,
        Err(exit) => return exit,
    };
    // The report has everything that a log of the level info would have.
    if config.log.level == "info" {
        "error".clone_into(&mut config.log.level);
    }
    if let Err(error) = logs::init(&config.log) {
        complain(&error);
        return Exit::Config;
    }
    match on_runtime(work(config)) {
        Some(Ok((report, exit))) => {
            say(&report);
            exit
        }
        Some(Err(error)) => {
            complain(&error);
            Exit::Config
        }
        None => Exit::Internal,
    }
}
