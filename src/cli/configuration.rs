//! The configuration of a command, with every error printed.

use std::{collections::BTreeMap, path::PathBuf};

use super::terminal::complain;
use crate::{
    app::{self, Checked},
    config::{self, Config, Errors, Sources},
    exit::Exit,
};

/// The environment variables of the process.
pub(super) type Environment = BTreeMap<String, String>;

/// Reads and checks the configuration.
///
/// # Errors
/// Everything that is wrong, whether the parser or one of the clients finds it.
pub(super) fn read(sources: &Sources) -> Result<(Config, Vec<Checked>), Errors> {
    let (mut config, mut errors) = config::read(sources)?;
    let checked = app::check(&mut config).unwrap_or_else(|found| {
        errors.join(found);
        Vec::new()
    });
    errors.or((config, checked))
}

/// Reads and checks the configuration, and prints what is wrong.
///
/// # Errors
/// [`Exit::Config`].
pub(super) fn load(sources: &Sources) -> Result<(Config, Vec<Checked>), Exit> {
    read(sources).map_err(refuse)
}

/// A configuration for documents, or the defaults. Documents are written on machines that may not reach Kafka, so no
/// brokers need to be named.
///
/// # Errors
/// [`Exit::Config`].
pub(super) fn load_for_documents(file: Option<PathBuf>, env: Environment) -> Result<Config, Exit> {
    let bootstrap = file.is_none().then(|| "localhost:9092".to_owned());
    load(&Sources { file, env, bootstrap, ..Sources::default() }).map(|(config, _)| config)
}

/// Prints what is wrong with a configuration.
pub(super) fn refuse(errors: Errors) -> Exit {
    complain(&errors.to_string());
    Exit::Config
}
