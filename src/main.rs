//! Arguments, configuration, runtime, application, exit code. No logic.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser};
use kafka_heartbeat::{
    acls,
    app::{self, Checked},
    cli::{Cli, Command, Connection, Run, TopicAction},
    config::{self, Config, Errors, LogFormat, Sources},
    demo::{self, Demo},
    exit::Exit,
    export::reference,
    healthcheck, logs, oneshot, process, slo,
    store::import::{Imported, import},
};

/// Async workers: rendering and questions; heartbeats have threads of their own.
const WORKERS: usize = 2;

/// The process's variables.
type Environment = BTreeMap<String, String>;

fn main() -> ExitCode {
    process::give_memory_back();
    process::raise_descriptor_limit();
    let environment = process::environment();
    let cli = Cli::parse();
    let exit = if cli.version {
        let (version, revision) = (env!("CARGO_PKG_VERSION"), process::revision());
        say(&format!(
            "kafka-heartbeat {version} (revision {revision}, librdkafka {})\n",
            process::librdkafka()
        ));
        Exit::Ok
    } else {
        match cli.command {
            None => run(&cli.run, environment),
            Some(Command::Run(arguments)) => run(&arguments, environment),
            Some(Command::Demo { listen, faults }) => demo(listen.as_deref(), faults, environment),
            Some(Command::Probe { connection, count, deadline, format }) => {
                let wanted = oneshot::Wanted { count, deadline, format };
                report(&connection, environment, |config| oneshot::probe(config, wanted))
            }
            Some(Command::Topic { action }) => match action {
                TopicAction::Plan(connection) => {
                    report(&connection, environment, |config| oneshot::topic(config, false))
                }
                TopicAction::Apply(connection) => {
                    report(&connection, environment, |config| oneshot::topic(config, true))
                }
            },
            Some(Command::Metrics) => {
                say(&reference::markdown());
                Exit::Ok
            }
            Some(Command::Slo { config, objective, format }) => {
                write_rules(config, objective, format, environment)
            }
            Some(Command::Acls { config, format, principal }) => {
                write_acls(config, format, principal.as_deref(), environment)
            }
            Some(Command::ImportHistory { cluster, from, into }) => import_history(&from, &cluster, &into),
            Some(Command::CheckConfig { file }) => check_config(file, environment),
            Some(Command::Healthcheck { url, config }) => check_health(url, config, environment),
        }
    };
    ExitCode::from(exit as u8)
}

fn run(arguments: &Run, environment: Environment) -> Exit {
    let sources = arguments.sources(environment);
    match read(&sources) {
        Ok((config, _)) if arguments.print_config => {
            say(config.listing());
            Exit::Ok
        }
        Ok((config, checked)) => serve(config, checked),
        Err(errors) => {
            complain(&errors.to_string());
            // A person who gave no argument and no variable is new here.
            if sources.is_empty() && errors.only_missing() {
                complain(&format!("\n{}", Cli::command().render_help()));
            }
            Exit::Config
        }
    }
}

fn serve(config: Config, checked: Vec<Checked>) -> Exit {
    if let Err(error) = logs::init(&config.log) {
        complain(&error);
        return Exit::Config;
    }
    let service = async {
        match app::listen(&config).await {
            Ok(listener) => app::run(config, checked, listener).await,
            Err(exit) => exit,
        }
    };
    on_runtime(service).unwrap_or(Exit::Internal)
}

fn demo(listen: Option<&str>, faults: bool, environment: Environment) -> Exit {
    let quiet = config::Log { format: LogFormat::Text, level: "info".to_owned() };
    if let Err(error) = logs::init(&quiet) {
        complain(&error);
    }
    let running = async {
        // The address is the same whatever the embedded brokers listen on.
        let config = demo::configuration("127.0.0.1:1", listen, environment.clone()).map_err(refuse)?;
        let listener = app::listen(&config).await?;
        let demo = Demo::start(faults).map_err(|error| {
            complain(&format!("the embedded cluster cannot start: {error}"));
            Exit::Internal
        })?;
        let config = demo::configuration(demo.bootstrap(), listen, environment).map_err(refuse)?;
        let checked = app::check(&config).map_err(refuse)?;
        let (bootstrap, listen) = (demo.bootstrap(), config.http.listen);
        say(&format!("embedded cluster at {bootstrap}; the page: http://{listen}/\n"));
        let exit = app::run(config, checked, listener).await;
        // The cluster ends after its clients.
        drop(demo);
        Ok(exit)
    };
    on_runtime(running).unwrap_or(Err(Exit::Internal)).unwrap_or_else(|exit| exit)
}

/// Says what is wrong with a configuration.
fn refuse(errors: Errors) -> Exit {
    complain(&errors.to_string());
    Exit::Config
}

fn report<F>(connection: &Connection, environment: Environment, work: impl FnOnce(Config) -> F) -> Exit
where
    F: Future<Output = Result<(String, Exit), String>>,
{
    let mut config = match load(&connection.sources(environment)) {
        Ok((config, _)) => config,
        Err(exit) => return exit,
    };
    // The report says what there is to say.
    if config.log.level == "info" {
        "error".clone_into(&mut config.log.level);
    }
    if let Err(error) = logs::init(&config.log) {
        complain(&error);
        return Exit::Config;
    }
    match on_runtime(work(config)) {
        Some(Ok((words, exit))) => {
            say(&words);
            exit
        }
        Some(Err(words)) => {
            complain(&words);
            Exit::Config
        }
        None => Exit::Internal,
    }
}

/// A configuration that nothing is connected with, or the defaults: rules are made on machines that see no Kafka.
fn load_to_write(file: Option<PathBuf>, env: Environment) -> Result<Config, Exit> {
    let bootstrap = file.is_none().then(|| "localhost:9092".to_owned());
    load(&Sources { file, env, bootstrap, ..Sources::default() }).map(|(config, _)| config)
}

fn write_acls(
    file: Option<PathBuf>,
    format: acls::Format,
    principal: Option<&str>,
    environment: Environment,
) -> Exit {
    match load_to_write(file, environment) {
        Ok(config) => {
            say(&acls::acls(&config, format, principal));
            Exit::Ok
        }
        Err(exit) => exit,
    }
}

fn write_rules(file: Option<PathBuf>, objective: Option<f64>, format: slo::Format, env: Environment) -> Exit {
    let config = match load_to_write(file, env) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match slo::rules(&config, objective, format) {
        Ok(rules) => {
            say(&rules);
            Exit::Ok
        }
        Err(words) => {
            complain(&words);
            Exit::Config
        }
    }
}

fn import_history(from: &Path, cluster: &str, into: &Path) -> Exit {
    match import(from, cluster, into) {
        Ok(Imported { partitions, statuses, excluded }) => {
            say(&format!("taken over: {partitions} histories, {statuses} statuses\n"));
            if !excluded.is_empty() {
                say(&format!("for the file of [lag] exclude.file:\n{}\n", excluded.join("\n")));
            }
            Exit::Ok
        }
        Err(words) => {
            complain(&words);
            Exit::Config
        }
    }
}

fn check_config(file: PathBuf, environment: Environment) -> Exit {
    let sources = Sources { file: Some(file), env: environment, ..Sources::default() };
    match load(&sources) {
        Ok((config, _)) => {
            say(&format!("ok: {} cluster(s): {}\n", config.clusters.len(), names(&config)));
            Exit::Ok
        }
        Err(exit) => exit,
    }
}

fn names(config: &Config) -> String {
    config.clusters.iter().map(|cluster| cluster.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Asks what `url` names, or the service that has this configuration. A file that does not exist is no error: the
/// service may be configured by its environment alone.
fn check_health(url: Option<String>, file: Option<PathBuf>, env: Environment) -> Exit {
    let file = file.filter(|file| file.exists());
    let configured = || config::read(&Sources { file, env, ..Sources::default() });
    let url = match url.map_or_else(|| configured().map(|(config, _)| healthcheck::url(&config.http)), Ok) {
        Ok(url) => url,
        Err(errors) => {
            complain(&errors.to_string());
            return Exit::Config;
        }
    };
    match on_runtime(healthcheck::check(&url)) {
        Some(Ok(words)) => {
            say(&words);
            Exit::Ok
        }
        Some(Err(error)) => {
            complain(&format!("{error:#}"));
            Exit::Unavailable
        }
        None => Exit::Internal,
    }
}

/// The configuration, or everything that is wrong with it at once, whoever finds it.
fn read(sources: &Sources) -> Result<(Config, Vec<Checked>), Errors> {
    let (config, mut errors) = config::read(sources)?;
    let checked = app::check(&config).unwrap_or_else(|found| {
        errors.join(found);
        Vec::new()
    });
    errors.or((config, checked))
}

/// The same, with the errors printed.
fn load(sources: &Sources) -> Result<(Config, Vec<Checked>), Exit> {
    read(sources).map_err(|errors| {
        complain(&errors.to_string());
        Exit::Config
    })
}

fn on_runtime<T>(work: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(work);
            // Dropping a runtime would wait without limit for whatever still blocks.
            runtime.shutdown_timeout(Duration::from_secs(1));
            Some(done)
        }
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            None
        }
    }
}

/// To standard output; a reader that has gone away is no error of ours.
fn say(text: &str) {
    _ = io::stdout().write_all(text.as_bytes());
}

/// To standard error.
fn complain(text: &str) {
    _ = io::stderr().write_all(format!("{}\n", text.trim_end()).as_bytes());
}
