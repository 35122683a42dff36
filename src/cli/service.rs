//! `run`: the service.

use std::sync::Arc;

use clap::CommandFactory;

use super::{
    arguments::{Cli, Run},
    configuration::{Environment, read},
    runtime::on_runtime,
    terminal::{complain, say},
};
use crate::{
    app::{self, Checked, ReadConfig},
    config::{Config, Sources},
    exit::Exit,
    logs,
};

/// Runs the service, or prints its configuration.
pub(super) fn run(arguments: &Run, environment: Environment) -> Exit {
    let sources = arguments.sources(environment);
    match read(&sources) {
        Ok((config, _)) if arguments.print_config => {
            say(config.listing());
            config.refused.iter().for_each(|words| complain(words));
            if config.refused.is_empty() { Exit::Ok } else { Exit::Config }
        }
        Ok((config, checked)) => match app::check_election(&config.ha) {
            Ok(()) => serve(config, checked, sources),
            Err(words) => {
                complain(&words);
                Exit::Config
            }
        },
        Err(errors) => {
            complain(&errors.to_string());
            // A person who gave no argument and no variable does not know the program yet.
            if sources.is_empty() && errors.only_missing() {
                complain(&format!("\n{}", Cli::command().render_help()));
            }
            Exit::Config
        }
    }
}

fn serve(config: Config, checked: Vec<Checked>, sources: Sources) -> Exit {
    if let Err(error) = logs::init(&config.log) {
        complain(&error);
        return Exit::Config;
    }
    let read_again: ReadConfig = Arc::new(move || read(&sources).map_err(|errors| errors.to_string()));
    let service = async {
        match app::listen(&config).await {
            Ok(listener) => app::run(config, checked, listener, read_again).await,
            Err(exit) => exit,
        }
    };
    on_runtime(service).unwrap_or(Exit::Internal)
}
