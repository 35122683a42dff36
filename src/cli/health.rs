//! `healthcheck`: asks a running service whether it lives.

use std::path::PathBuf;

use super::{
    configuration::{Environment, refuse},
    runtime::on_runtime,
    terminal::{complain, say},
};
use crate::{
    config::{self, Sources},
    exit::Exit,
    healthcheck,
};

/// Asks the service at `url`, or the service that has this configuration. A file that does not exist is no error, because
/// the service may be configured by its environment alone.
pub(super) fn check(url: Option<String>, file: Option<PathBuf>, env: Environment) -> Exit {
    let file = file.filter(|file| file.exists());
    let configured = || config::read(&Sources { file, env, ..Sources::default() });
    let url = match url.map_or_else(|| configured().map(|(config, _)| healthcheck::url(&config.http)), Ok) {
        Ok(url) => url,
        Err(errors) => return refuse(errors),
    };
    match on_runtime(healthcheck::check(&url)) {
        Some(Ok(answer)) => {
            say(&answer);
            Exit::Ok
        }
        Some(Err(error)) => {
            complain(&format!("{error:#}"));
            Exit::Unavailable
        }
        None => Exit::Internal,
    }
}
