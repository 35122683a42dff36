//! The older programs, and how their files are told apart.

use clap::ValueEnum;

/// An older program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// Confluent Cloud heartbeat: `config.ini`
    CcHeartbeat,
    /// klag-exporter: `config.toml`
    KlagExporter,
    /// The time lag monitor: `config.yaml`
    TimeLagMonitor,
    /// The topic freshness exporter: a file of environment variables
    TopicFreshnessExporter,
    /// The Prometheus monitoring solution: `docker-compose.yml`, or a script with its command lines
    MonitoringSolution,
}

/// The scripts of the Prometheus monitoring solution.
pub(super) const SCRIPTS: [&str; 3] =
    ["kafka_metrics_exporter.py", "kafka_consumer_lag_monitor.py", "main.py"];

impl Tool {
    /// The name of the program in sentences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CcHeartbeat => "cc-heartbeat",
            Self::KlagExporter => "klag-exporter",
            Self::TimeLagMonitor => "the time lag monitor",
            Self::TopicFreshnessExporter => "the topic freshness exporter",
            Self::MonitoringSolution => "the Prometheus monitoring solution",
        }
    }

    /// The program that a file belongs to. Single lines decide, so that a file with a mistake is also recognised.
    ///
    /// # Errors
    /// Why the program is not known, and what to do.
    pub(super) fn detect(text: &str) -> Result<Self, String> {
        let found: Vec<Self> = [
            Self::CcHeartbeat,
            Self::KlagExporter,
            Self::TimeLagMonitor,
            Self::TopicFreshnessExporter,
            Self::MonitoringSolution,
        ]
        .into_iter()
        .filter(|tool| tool.wrote(text))
        .collect();
        let names = found.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(" or ");
        match found[..] {
            [tool] => Ok(tool),
            [] if has_line(text, |line| ["[kafka]", "[heartbeat]"].contains(&line)) => {
                Err("this looks like a configuration of kafka-heartbeat itself, which needs no import"
                    .to_owned())
            }
            [] => {
                Err("the program that this file belongs to is not recognised: name the program with --from"
                    .to_owned())
            }
            _ => Err(format!("this may be a file of {names}: name the program with --from")),
        }
    }

    /// Whether a text has lines that only this program has.
    fn wrote(self, text: &str) -> bool {
        match self {
            Self::CcHeartbeat => has_line(text, |line| ["[admin]", "[default]"].contains(&line)),
            Self::KlagExporter => has_line(text, |line| {
                line.replace(' ', "") == "[[clusters]]" || line.starts_with("[exporter")
            }),
            Self::TimeLagMonitor => {
                let has_key = |key: &str| text.lines().any(|line| line.trim_end() == key);
                has_key("kafka:") && (has_key("monitoring:") || has_key("database:"))
            }
            Self::TopicFreshnessExporter => has_line(text, |line| {
                let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
                line.strip_prefix("TOPIC_PREFIX").is_some_and(|rest| rest.trim_start().starts_with('='))
            }),
            Self::MonitoringSolution => {
                let [metrics, lag, all] = SCRIPTS;
                let has = |words: &str| has_line(text, |line| line.contains(words));
                has(metrics) || has(lag) || has(all) && has("--bootstrap-servers")
            }
        }
    }
}

/// Whether a line that is no comment has a property.
fn has_line(text: &str, is_it: impl Fn(&str) -> bool) -> bool {
    text.lines().map(str::trim).any(|line| !line.starts_with(['#', ';']) && is_it(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_recognised_by_single_lines_even_if_it_has_a_mistake() {
        let table = [
            ("[default]\nbootstrap.servers=b:1\n[admin\n", Tool::CcHeartbeat),
            ("[[clusters]]\nname = \n", Tool::KlagExporter),
            ("kafka:\n  bootstrap_servers: \"b:1\nmonitoring:\n", Tool::TimeLagMonitor),
            ("# a comment\nexport TOPIC_PREFIX=pub-\n", Tool::TopicFreshnessExporter),
            (
                "services:\n  x:\n    command: python main.py --bootstrap-servers b:1\n",
                Tool::MonitoringSolution,
            ),
            ("exec python3 kafka_consumer_lag_monitor.py \\\n  --port 9\n", Tool::MonitoringSolution),
        ];
        for (text, tool) in table {
            assert_eq!(Tool::detect(text), Ok(tool), "{text}");
        }
    }

    #[test]
    fn file_of_no_program_or_of_two_programs_needs_a_name() {
        let table = [
            ("", "not recognised: name the program with --from"),
            ("# TOPIC_PREFIX=commented\n", "not recognised"),
            ("[kafka]\nbootstrap.servers = b:1\n", "needs no import"),
            (
                "[default]\n[[clusters]]\n",
                "a file of cc-heartbeat or klag-exporter: name the program with --from",
            ),
        ];
        for (text, words) in table {
            let error = Tool::detect(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
