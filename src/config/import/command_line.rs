//! Command lines in scripts, units of systemd and files of Docker Compose.

use serde_norway::Value as Node;

use super::{tool::SCRIPTS, yaml};

/// The words of one command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// The line of the file on which the command begins; `None` if it is not known.
    pub(super) line: Option<usize>,
    pub(super) words: Vec<String>,
}

/// The command lines of a file.
///
/// # Errors
/// The line and what is wrong there. The words never hold a value.
pub(super) fn command_lines(text: &str) -> Result<Vec<CommandLine>, (usize, String)> {
    if text.lines().any(|line| line.trim_end() == "services:") {
        let document = yaml::document(text)?;
        return Ok(of_compose(&document, text));
    }
    of_script(text)
}

/// The command of each service of Docker Compose.
fn of_compose(document: &Node, text: &str) -> Vec<CommandLine> {
    let services = document.get("services").and_then(Node::as_mapping);
    let of_service = |(name, service): (&Node, &Node)| {
        let mut words = Vec::new();
        for key in ["entrypoint", "command"] {
            match service.get(key) {
                Some(Node::String(line)) => words.extend(shlex::split(line).unwrap_or_default()),
                Some(Node::Sequence(list)) => words.extend(list.iter().map(yaml::scalar)),
                _ => {}
            }
        }
        let path = ["services".to_owned(), yaml::scalar(name), "command".to_owned()];
        CommandLine { line: yaml::line_of(&path, text), words }
    };
    services.into_iter().flatten().map(of_service).collect()
}

/// Each line of a script. A backslash at the end continues a line. A line with an open quote is no command of ours, unless it names
/// one of the scripts.
fn of_script(text: &str) -> Result<Vec<CommandLine>, (usize, String)> {
    let mut commands = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let (first, mut joined) = begun.take().unwrap_or((index + 1, String::new()));
        match line.strip_suffix('\\') {
            Some(part) => {
                joined += part;
                begun = Some((first, joined));
            }
            None => {
                joined += line;
                commands.push((first, joined));
            }
        }
    }
    commands.extend(begun);
    let words = |(first, line): (usize, String)| {
        let words = match shlex::split(&line) {
            Some(words) => words,
            None if SCRIPTS.iter().any(|script| line.contains(script)) => {
                return Err((first, "a quote is open at the end of the line".to_owned()));
            }
            None => Vec::new(),
        };
        // A unit of systemd names its command so.
        let words = words.iter().map(|word| word.strip_prefix("ExecStart=").unwrap_or(word).to_owned());
        Ok(CommandLine { line: Some(first), words: words.collect() })
    };
    commands.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, String)> {
        let commands = command_lines(text).expect("command lines").into_iter();
        let commands = commands.filter(|command| !command.words.is_empty());
        commands.map(|command| (command.line.unwrap_or(0), command.words.join("|"))).collect()
    }

    #[test]
    fn commands_of_a_script_and_of_a_unit_are_words() {
        let script = "#!/bin/sh\n# don't care\nexec python main.py \\\n  --topics 'a b' \\\n  --no-alerts\n";
        assert_eq!(words(script), [(3, "exec|python|main.py|--topics|a b|--no-alerts".to_owned())]);
        let unit = "[Service]\nExecStart=/usr/bin/python3 main.py --lag-port 1\n";
        assert_eq!(words(unit)[1], (2, "/usr/bin/python3|main.py|--lag-port|1".to_owned()));
        let text = "echo 'two\nlines'\npython main.py --topics 'c\n";
        assert_eq!(command_lines(text).expect_err("an open quote").0, 3);
        assert_eq!(words("echo 'two\nlines'\nmain.py --x\n"), [(3, "main.py|--x".to_owned())]);
    }

    #[test]
    fn commands_of_compose_are_lists_or_lines() {
        let compose = "services:\n  a:\n    image: x\n    command: python main.py --topics \"a b\"\n  b:\n    entrypoint: [python]\n    command:\n      - main.py\n      - --port\n      - 9\n";
        assert_eq!(
            words(compose),
            [(4, "python|main.py|--topics|a b".to_owned()), (7, "python|main.py|--port|9".to_owned())]
        );
    }
}
