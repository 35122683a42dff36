//! The command lines of the Prometheus monitoring solution.

use super::{
    command_line::{CommandLine, command_lines},
    expression,
    item::Item,
    output::Output,
    tool::SCRIPTS,
    variables::of_shell,
};

/// What the programs do without a flag.
const PORT: &str = "9308";
const ALERT_TOPIC: &str = "system-alerts";
const METRIC_TOPIC: &str = "system-metrics";

/// The flags that take no value.
const SWITCHES: [&str; 1] = ["--no-alerts"];

/// A program of the solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    MetricsExporter,
    LagMonitor,
    /// `main.py`, which starts both.
    Both,
}

/// Reads the command line of every program.
pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let commands = match command_lines(text) {
        Ok(commands) => commands,
        Err((line, words)) => return output.wrong(Some(line), &words),
    };
    let commands = commands.into_iter().filter_map(|command| Some((script(&command)?, command)));
    let commands: Vec<_> = commands.collect();
    if commands.is_empty() {
        let scripts = SCRIPTS.join(", ");
        return output.wrong(
            None,
            &format!("no command line starts {scripts}: write such a command line into a file"),
        );
    }
    output.without_heartbeats("The Prometheus monitoring solution");
    let mut has_alerts = false;
    for (script, command) in &commands {
        let flags = flags(command, output);
        let is_off = flags.iter().any(|flag| flag.path == ["--no-alerts"]);
        if *script != Script::MetricsExporter && !is_off && !has_alerts {
            output.comment("alerts", "The two topics must exist, and the principal needs Write on them.");
            has_alerts = true;
        }
        for item in flags {
            read_flag(*script, &item, is_off, output);
        }
    }
    if !output.has("kafka", "bootstrap.servers") {
        output.set("kafka", "bootstrap.servers", "localhost:9092");
    }
    if !output.has("http", "listen") {
        output.set("http", "listen", &format!("0.0.0.0:{PORT}"));
    }
    if has_alerts {
        for (key, default) in [("topic", ALERT_TOPIC), ("metrics.topic", METRIC_TOPIC)] {
            if !output.has("alerts", key) {
                output.set("alerts", key, default);
            }
        }
    }
    output.set("compat", "kafka_consumer_lag", "true");
}

/// The program that a command line starts; `None` for every other command line. An image may start its program by itself, so that the
/// command line has flags alone.
fn script(command: &CommandLine) -> Option<Script> {
    let [metrics, lag, both] = SCRIPTS;
    let has = |script: &str| {
        command.words.iter().any(|word| word.rsplit('/').next().is_some_and(|name| name == script))
    };
    let has_flag = |flag: &str| command.words.iter().any(|word| word.starts_with(flag));
    match () {
        () if has(metrics) => Some(Script::MetricsExporter),
        () if has(lag) => Some(Script::LagMonitor),
        () if has(both) && has_flag("--") => Some(Script::Both),
        () if has_flag("--metrics-port") || has_flag("--lag-port") => Some(Script::Both),
        () => None,
    }
}

/// The flags of a command line with their values.
fn flags(command: &CommandLine, output: &mut Output<'_>) -> Vec<Item> {
    let line = command.line;
    let mut flags = Vec::new();
    let mut words = command.words.iter().skip_while(|word| !word.starts_with("--"));
    while let Some(word) = words.next() {
        if !word.starts_with("--") {
            // A shell's `&` and `>file` end the flags.
            break;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None if SWITCHES.contains(&word.as_str()) => (word.as_str(), Some(String::new())),
            None => (word.as_str(), words.next().cloned()),
        };
        match value {
            Some(value) => {
                let mut item = Item::text(0, &[name], value);
                item.line = line;
                flags.push(item);
            }
            None => output.wrong(line, &format!("{name} has no value")),
        }
    }
    flags
}

fn read_flag(script: Script, item: &Item, is_off: bool, output: &mut Output<'_>) {
    let flag = item.path[0].clone();
    if SWITCHES.contains(&flag.as_str()) {
        return;
    }
    let Some(value) = output.form_of(item, of_shell(&item.written())) else { return };
    match (flag.as_str(), script) {
        ("--bootstrap-servers", _) => output.put("kafka", "bootstrap.servers", &value, item),
        ("--topics", _) => names("freshness", "topics.include", None, item, output),
        ("--consumer-groups", _) => names("lag", "groups.include", Some("groups"), item, output),
        ("--metrics-port", _) | ("--port", Script::MetricsExporter | Script::LagMonitor) => {
            listen(&value, item, output)
        }
        ("--lag-port", _) => output.leave_out(item, "everything is served at one port, [http] listen"),
        ("--metrics-interval", _) | ("--interval", Script::MetricsExporter) => {
            interval(&["metadata", "freshness"], &value, item, output);
        }
        ("--lag-interval", _) | ("--interval", _) => interval(&["lag", "alerts"], &value, item, output),
        ("--warning-threshold", _) => threshold("lag.warning", &value, item, output),
        ("--critical-threshold", _) => threshold("lag.critical", &value, item, output),
        ("--alert-topic" | "--metric-topic", _) if is_off => output.leave_out(item, "--no-alerts is set"),
        ("--alert-topic", _) => output.put("alerts", "topic", &value, item),
        ("--metric-topic", _) => output.put("alerts", "metrics.topic", &value, item),
        _ => output.leave_out(item, "the Prometheus monitoring solution has no such flag"),
    }
}

/// Writes names that are separated by commas, as an expression and, for the key `listed`, separated by blanks.
fn names(section: &str, key: &str, listed: Option<&str>, item: &Item, output: &mut Output<'_>) {
    let written = item.written();
    let names: Vec<String> =
        written.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if written.contains('$') {
        return output.leave_out(item, "names in a variable cannot be read: write the names themselves");
    }
    if names.is_empty() {
        return;
    }
    let fresh = !output.has(section, key);
    output.put_plain(section, key, &expression::of_names(&names), item);
    if let Some(listed) = listed.filter(|_| fresh && !names.iter().any(|name| name.contains(' '))) {
        output.put_plain(section, listed, &names.join(" "), item);
    }
}

fn listen(port: &str, item: &Item, output: &mut Output<'_>) {
    if output.has("http", "listen") {
        output.leave_out(item, "everything is served at one port, [http] listen");
    } else if port.contains("${") || output.port_of(item).is_some() {
        output.put("http", "listen", &format!("0.0.0.0:{port}"), item);
    }
}

fn interval(sections: &[&str], seconds: &str, item: &Item, output: &mut Output<'_>) {
    if seconds.contains("${") || output.number_of(item, 1).is_some() {
        for section in sections.iter().filter(|section| !output.has(section, "interval")).collect::<Vec<_>>()
        {
            output.put(section, "interval", &format!("{seconds}s"), item);
        }
    }
}

fn threshold(key: &str, records: &str, item: &Item, output: &mut Output<'_>) {
    if records.contains("${") || output.number_of(item, 0).is_some() {
        output.put("alerts", key, records, item);
    }
}
