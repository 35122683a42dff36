//! `demo`: the service against an embedded cluster.

use std::sync::Arc;

use super::{
    configuration::{Environment, refuse},
    runtime::on_runtime,
    terminal::{complain, say},
};
use crate::{
    app::{self, ReadConfig},
    config::{self, Errors, LogFormat},
    demo::{self, Demo},
    exit::Exit,
    logs,
};

/// An address for the first reading of the configuration. The address of the HTTP server does not depend on it.
const NO_BROKER: &str = "127.0.0.1:1";

/// Runs the demo until a signal.
pub(super) fn run(listen: Option<&str>, faults: bool, environment: Environment) -> Exit {
    let log = config::Log { format: LogFormat::Text, level: "info".to_owned() };
    if let Err(error) = logs::init(&log) {
        complain(&error);
    }
    on_runtime(serve(listen, faults, environment)).unwrap_or(Err(Exit::Internal)).unwrap_or_else(|exit| exit)
}

async fn serve(listen: Option<&str>, faults: bool, environment: Environment) -> Result<Exit, Exit> {
    let config = demo::configuration(NO_BROKER, listen, environment.clone()).map_err(refuse)?;
    let listener = app::listen(&config).await?;
    let demo = Demo::start(faults).map_err(|error| {
        complain(&format!("the embedded cluster cannot start: {error}"));
        Exit::Internal
    })?;
    let (bootstrap, listen) = (demo.bootstrap().to_owned(), listen.map(str::to_owned));
    let read = move || {
        let mut config = demo::configuration(&bootstrap, listen.as_deref(), environment.clone())?;
        let checked = app::check(&mut config)?;
        Ok::<_, Errors>((config, checked))
    };
    let (config, checked) = read().map_err(refuse)?;
    let (bootstrap, listen) = (demo.bootstrap(), config.http.listen);
    say(&format!("embedded cluster at {bootstrap}; the page: http://{listen}/\n"));
    let read_again: ReadConfig = Arc::new(move || read().map_err(|errors| errors.to_string()));
    let exit = app::run(config, checked, listener, read_again).await;
    // The embedded cluster ends after its clients.
    drop(demo);
    Ok(exit)
}
