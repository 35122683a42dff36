//! The arguments of the command line.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    acls,
    config::{Sources, Tool},
    oneshot, report, slo,
};

/// Measures, as a client, whether a Kafka cluster works for the people who depend on it.
#[derive(Debug, Parser)]
#[command(
    name = "kafka-heartbeat",
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 all well, 2 wrong usage, 69 something is not well, 70 a bug of ours, \
                  71 the port is taken, 78 the configuration cannot be used."
)]
pub struct Cli {
    /// What to do; without it the service runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The service's own arguments.
    #[command(flatten)]
    pub run: Run,
    /// Print version, revision and librdkafka's version.
    #[arg(long, short = 'V')]
    pub version: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service (the default)
    Run(Run),
    /// Run the service against an embedded cluster of three brokers: no Kafka needed
    Demo {
        /// Where the page and /metrics are served; 127.0.0.1:8080 unless the environment says otherwise
        #[arg(long, value_name = "HOST:PORT")]
        listen: Option<String>,
        /// Play faults: a slow broker, a leader that moves, a broker that stops and returns
        #[arg(long)]
        faults: bool,
    },
    /// Connect to every broker, send a few heartbeats on every partition, report and exit
    Probe {
        /// How the cluster is reached
        #[command(flatten)]
        connection: Connection,
        /// Heartbeats on each partition
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: u32,
        /// A heartbeat that takes longer is bad
        #[arg(long, default_value = "10s", value_parser = deadline)]
        deadline: Duration,
        /// For people or for scripts
        #[arg(long, value_enum, default_value_t = oneshot::Format::Text)]
        format: oneshot::Format,
    },
    /// Print every metric with its labels and its meaning, as Markdown
    Metrics,
    /// Write recording rules and alerts for what the configuration promises
    Slo {
        /// The configuration file; without it, the defaults are promised
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Percent of heartbeats that come back in time, in place of slo.availability
        #[arg(long, value_name = "PERCENT", value_parser = crate::config::promise)]
        objective: Option<f64>,
        /// The program that reads the output
        #[arg(long, value_enum, default_value_t = slo::Format::Prometheus)]
        format: slo::Format,
    },
    /// Write the permissions that the configuration needs
    Acls {
        /// The configuration file; without it, the defaults
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The form of the output
        #[arg(long, value_enum, default_value_t = acls::Format::Kafka)]
        format: acls::Format,
        /// The principal that gets the permissions; by default sasl.username. With a client certificate it must be given, as User:CN=…
        #[arg(long, value_name = "NAME")]
        principal: Option<String>,
    },
    /// Write the configuration of an older program again as a configuration of this one
    Import {
        /// The file; it is only read
        file: PathBuf,
        /// The program that the file belongs to; by default the file itself shows it
        #[arg(long, value_enum, value_name = "PROGRAM")]
        from: Option<Tool>,
    },
    /// Take over the database of the time lag monitor, as the file that the history is kept in
    ImportHistory {
        /// The cluster's name in the configuration
        #[arg(long, default_value = "default")]
        cluster: String,
        /// The old database; it is only read
        from: PathBuf,
        /// The new file
        into: PathBuf,
    },
    /// Check a configuration and report every error in it
    CheckConfig {
        /// The file
        file: PathBuf,
    },
    /// Print the changes that the heartbeat topic needs, or make them
    Topic {
        /// Whether to print or to make the changes
        #[command(subcommand)]
        action: TopicAction,
    },
    /// Ask a running service whether the next broker may be stopped, and wait until it may: for upgrades
    Gate(Gate),
    /// Write the report on a month: availability and latency against the objectives, incidents, coverage, method
    Report(Report),
    /// Ask a running service whether it lives: for container health checks
    Healthcheck {
        /// Where to ask; by default /livez at the address and by the scheme of the service's own configuration
        #[arg(long)]
        url: Option<String>,
        /// The service's configuration file; one that does not exist is left out
        #[arg(long, value_name = "FILE", conflicts_with = "url")]
        config: Option<PathBuf>,
    },
    /// Write the script with which a shell completes the arguments of kafka-heartbeat
    Completions {
        /// The shell that reads the script
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write the manual page: every command, every key of the configuration, every exit code
    Man,
}

/// The question whether the next broker may be stopped.
#[derive(Debug, Clone, Args)]
pub struct Gate {
    /// How long everything must have been good
    #[arg(long = "for", value_name = "DURATION", default_value = "5m", value_parser = wanted)]
    pub wanted: Duration,
    /// How long to wait; with 0s the service is asked once
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = timeout)]
    pub timeout: Duration,
    /// The cluster's name in the configuration of the service; by default all its clusters must be good
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Where to ask: http://HOST:PORT or https://HOST:PORT; by default the address in the service's own configuration
    #[arg(long)]
    pub url: Option<String>,
    /// CA certificates in PEM that are trusted beside those of the system, for https with --url
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca: Option<PathBuf>,
    /// The service's configuration file, which has the password or the token that it asks for
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// For people or for scripts
    #[arg(long, value_enum, default_value_t = oneshot::Format::Text)]
    pub format: oneshot::Format,
}

/// The report on a month.
#[derive(Debug, Clone, Args)]
pub struct Report {
    /// The month in UTC, such as 2026-11; one that has not ended is reported until now
    #[arg(long, value_name = "YYYY-MM", value_parser = report::Month::parse)]
    pub month: report::Month,
    /// html for browsers and paper, md for tickets, csv for spreadsheets, json for programs
    #[arg(long, value_enum, default_value_t = report::Format::Md)]
    pub format: report::Format,
    /// A history file of a service that does not run, or a copy; several instances: repeat it
    #[arg(long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// A running service: http://HOST:PORT or https://HOST:PORT; several instances: repeat it
    #[arg(long)]
    pub url: Vec<String>,
    /// CA certificates in PEM that are trusted beside those of the system, for https with --url
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca: Option<PathBuf>,
    /// One cluster; by default all of them
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The configuration: the objectives for files, the password or the token for services and, without --file and --url, what to read
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to write; by default to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What to do about the heartbeat topic.
#[derive(Debug, Subcommand)]
pub enum TopicAction {
    /// Print what is missing; change nothing
    Plan(Connection),
    /// Make the changes
    Apply(Connection),
}

/// The service's arguments.
#[derive(Debug, Clone, Default, Args)]
pub struct Run {
    /// How the cluster is reached.
    #[command(flatten)]
    pub connection: Connection,
    /// Where the page and /metrics are served
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// text or json
    #[arg(long = "log.format", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Print the configuration in force, without secrets, and exit
    #[arg(long)]
    pub print_config: bool,
}

/// How a cluster is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The brokers to ask first
    #[arg(long, short, value_name = "HOST:PORT,…")]
    pub bootstrap_servers: Option<String>,
    /// A librdkafka property; may be repeated
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = property)]
    pub property: Vec<(String, String)>,
}

/// Reads the deadline of a probe. The horizon is twice the deadline, and a heartbeat's horizon is at most an hour.
fn deadline(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(1)..=Duration::from_secs(30 * 60);
    let deadline = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    range.contains(&deadline).then_some(deadline).ok_or_else(|| "must be from 1ms to 30m".to_owned())
}

/// Reads how long everything must have been good.
fn wanted(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    let wanted = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    range.contains(&wanted).then_some(wanted).ok_or_else(|| "must be from 1s to 24h".to_owned())
}

/// Reads how long to wait.
fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let longest = Duration::from_secs(7 * 24 * 3600);
    (timeout <= longest).then_some(timeout).ok_or_else(|| "must be at most 7days".to_owned())
}

/// Reads a property. The value never appears in an error, because it may be a secret.
fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

impl Connection {
    /// The arguments and the environment as sources of the configuration.
    pub fn sources(&self, env: BTreeMap<String, String>) -> Sources {
        Sources {
            file: self.config.clone(),
            env,
            bootstrap: self.bootstrap_servers.clone(),
            properties: self.property.clone(),
            ..Sources::default()
        }
    }
}

impl Run {
    /// The arguments and the environment as sources of the configuration.
    pub fn sources(&self, env: BTreeMap<String, String>) -> Sources {
        Sources {
            listen: self.listen.clone(),
            log_format: self.log_format.clone(),
            ..self.connection.sources(env)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn definition_of_the_arguments_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn service_runs_with_and_without_the_word_run() {
        for line in
            ["kafka-heartbeat -b h:1 -X a=b=c --listen l", "kafka-heartbeat run -b h:1 -X a=b=c --listen l"]
        {
            let cli = parse(line).expect(line);
            let run = match cli.command {
                Some(Command::Run(run)) => run,
                None => cli.run,
                other => panic!("{other:?}"),
            };
            let sources = run.sources(BTreeMap::new());
            assert_eq!(sources.bootstrap.as_deref(), Some("h:1"));
            assert_eq!(sources.properties, [("a".to_owned(), "b=c".to_owned())]);
            assert_eq!(sources.listen.as_deref(), Some("l"));
        }
    }

    #[test]
    fn probe_and_plan_take_the_same_connection() {
        let cli =
            parse("kafka-heartbeat probe -b h:1 --count 3 --deadline 2s --format json").expect("a probe");
        let Some(Command::Probe { count, deadline, format, .. }) = cli.command else { panic!("no probe") };
        assert_eq!((count, deadline, format), (3, Duration::from_secs(2), oneshot::Format::Json));
        for (wrong, words) in
            [("0s", "from 1ms to 30m"), ("999us", "1ms"), ("31m", "30m"), ("10", "time unit needed")]
        {
            let error =
                parse(&format!("kafka-heartbeat probe --deadline {wrong}")).expect_err(wrong).to_string();
            assert!(error.contains(words) && error.contains("--deadline"), "{error}");
        }
        for right in ["1ms", "30m"] {
            assert!(parse(&format!("kafka-heartbeat probe --deadline {right}")).is_ok(), "{right}");
        }
        assert!(parse("kafka-heartbeat topic plan --config x.ini").is_ok());
        assert!(parse("kafka-heartbeat probe --count 0").is_err());
    }

    #[test]
    fn demo_leaves_the_listener_to_the_configuration() {
        let listener = |line| match parse(line).expect(line).command {
            Some(Command::Demo { listen, .. }) => listen,
            other => panic!("{other:?}"),
        };
        assert_eq!(listener("kafka-heartbeat demo"), None);
        assert_eq!(listener("kafka-heartbeat demo --listen h:1").as_deref(), Some("h:1"));
    }

    #[test]
    fn error_of_a_property_does_not_repeat_its_value() {
        let error = parse("kafka-heartbeat -X =hush").expect_err("no key");
        assert!(error.to_string().contains("expected KEY=VALUE"));
    }
}
