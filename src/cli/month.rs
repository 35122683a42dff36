//! `report`: the report on a month.

use std::fs;

use super::{
    arguments::Report,
    configuration::{Environment, refuse},
    runtime::on_runtime,
    terminal::{complain, say},
};
use crate::{
    config::{self, Sources},
    exit::Exit,
    oneshot::{self, MonthOrder, Unmade},
};

/// Makes the report, and prints it or writes it to a file.
pub(super) fn report(arguments: Report, env: Environment) -> Exit {
    let Report { month, format, file, url, ca, cluster, config: configuration, output } = arguments;
    // No broker is asked, so none needs to be named.
    let bootstrap = configuration.is_none().then(|| "localhost:9092".to_owned());
    // A setting that is wrong may be an objective, and a report without this objective would look as if none was promised.
    let config = match config::load(&Sources { file: configuration, env, bootstrap, ..Sources::default() }) {
        Ok(config) => config,
        Err(errors) => return refuse(errors),
    };
    let order = MonthOrder { month, files: file, urls: url, ca, cluster };
    let Some(made) = on_runtime(oneshot::month(order, &config)) else { return Exit::Internal };
    let (error, exit) = match made {
        Ok(report) => match format.write(&report) {
            Ok(text) => match output {
                None => {
                    say(&text);
                    return Exit::Ok;
                }
                Some(path) => match fs::write(&path, text) {
                    Ok(()) => return Exit::Ok,
                    Err(error) => (format!("--output: {}: {error}", path.display()), Exit::Unavailable),
                },
            },
            Err(error) => (error, Exit::Internal),
        },
        Err(Unmade::Wrong(words)) => (words, Exit::Config),
        Err(Unmade::NoData(words)) => (words, Exit::Unavailable),
    };
    complain(&error);
    exit
}
