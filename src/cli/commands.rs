//! From a command to the function that does it.

use super::{
    arguments::{Cli, Command, TopicAction},
    completions,
    configuration::Environment,
    demo, documents, gate, health,
    import::{import_configuration, import_history},
    manual, month,
    report::report,
    service,
};
use crate::{
    exit::Exit,
    oneshot::{self, Changes, ProbeOrder},
};

/// Does what the arguments ask for; returns how the process ends.
pub fn execute(cli: Cli, environment: Environment) -> Exit {
    if cli.version {
        return documents::version();
    }
    let Some(command) = cli.command else { return service::run(&cli.run, environment) };
    match command {
        Command::Run(arguments) => service::run(&arguments, environment),
        Command::Demo { listen, faults } => demo::run(listen.as_deref(), faults, environment),
        Command::Probe { connection, count, deadline, format } => {
            let order = ProbeOrder { count, deadline, format };
            report(&connection, environment, |config| oneshot::probe(config, order))
        }
        Command::Topic { action: TopicAction::Plan(connection) } => {
            report(&connection, environment, |config| oneshot::assure_topic(config, Changes::Planned))
        }
        Command::Topic { action: TopicAction::Apply(connection) } => {
            report(&connection, environment, |config| oneshot::assure_topic(config, Changes::Applied))
        }
        Command::Metrics => documents::metrics(),
        Command::Slo { config, objective, format } => {
            documents::rules(config, objective, format, environment)
        }
        Command::Acls { config, format, principal } => {
            documents::permissions(config, format, principal.as_deref(), environment)
        }
        Command::Import { file, from } => import_configuration(&file, from),
        Command::ImportHistory { cluster, from, into } => import_history(&from, &cluster, &into),
        Command::CheckConfig { file } => documents::check_configuration(file, environment),
        Command::Report(arguments) => month::report(arguments, environment),
        Command::Gate(arguments) => gate::wait(arguments, environment),
        Command::Healthcheck { url, config } => health::check(url, config, environment),
        Command::Completions { shell } => completions::write(shell),
        Command::Man => manual::write(),
    }
}
