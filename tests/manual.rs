//! `completions` and `man`: both name everything that the program understands, and other programs can read both.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
};

use clap::CommandFactory;
use kafka_heartbeat::{cli::Cli, exit};
use support::service::program;

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// The output of a command of the program, which has to succeed.
fn printed(arguments: &[&str]) -> String {
    let output = program().args(arguments).output().expect("a program that starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every command, such as `probe` and `topic plan`.
fn commands() -> Vec<String> {
    let all = Cli::command();
    let inner = |command: &clap::Command| {
        let name = command.get_name().to_owned();
        let inner: Vec<_> =
            command.get_subcommands().map(|inner| format!("{name} {}", inner.get_name())).collect();
        if inner.is_empty() { vec![name] } else { inner }
    };
    all.get_subcommands().flat_map(inner).collect()
}

/// What a program that reads a text from standard input complains about; absent if there is no such program.
fn complaints(program: &str, arguments: &[&str], text: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{program} cannot be started, and is left out: {error}");
            return None;
        }
    };
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("the program reads");
    let output = child.wait_with_output().expect("the program ends");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {words}");
    Some(words)
}

#[test]
fn completions_of_every_shell_name_every_command() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for shell in SHELLS {
        let script = printed(&["completions", shell]);
        for word in commands.iter().flat_map(|command| command.split(' ')) {
            assert!(script.contains(word), "{shell}: {word}");
        }
        for flag in ["bootstrap-servers", "deadline", "principal"] {
            assert!(script.contains(flag), "{shell}: {flag}");
        }
    }
    let refused = program().args(["completions", "tcsh"]).output().expect("a program that starts");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(SHELLS.iter().all(|shell| words.contains(shell)), "the error names the shells: {words}");
}

#[test]
fn bash_accepts_its_completions_and_offers_the_flags_of_every_command() {
    let script = printed(&["completions", "bash"]);
    assert_eq!(complaints("bash", &["-n"], &script).as_deref(), Some(""), "bash is needed for this test");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("completions");
    fs::write(&file, &script).expect("a file");
    // What bash itself does when a person presses the tab key.
    let ask = "source \"$1\"; shift; registered=($(complete -p \"$1\")); \
               for i in \"${!registered[@]}\"; do \
                 if [ \"${registered[i]}\" = -F ]; then completes=\"${registered[i+1]}\"; fi; \
               done; \
               COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
               \"$completes\" \"$1\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
               echo \"${COMPREPLY[*]}\"";
    let offered = |words: &[&str]| {
        let mut command = Command::new("bash");
        command.args(["-c", ask, "bash"]).arg(&file).arg("kafka-heartbeat").args(words);
        let output = command.output().expect("bash starts");
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
        let words = String::from_utf8(output.stdout).expect("UTF-8");
        words.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let first = offered(&[""]);
    for command in commands() {
        let words: Vec<_> = command.split(' ').collect();
        assert!(first.contains(words[0]), "{command}: {first:?}");
        let found = offered(&[&words[..], &["--"]].concat());
        let expected = words
            .iter()
            .fold(Cli::command(), |command, word| command.find_subcommand(word).expect("a command").clone());
        for flag in expected.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(found.contains(&format!("--{flag}")), "{command}: {flag} is not in {found:?}");
        }
        assert!(found.contains("--help"), "{command}: {found:?}");
    }
    assert!(offered(&["topic", ""]).is_superset(&["plan".to_owned(), "apply".to_owned()].into()));
}

#[test]
fn other_shells_accept_their_completions_where_they_are_installed() {
    let checks: [(&str, &[&str], &str); 2] = [("zsh", &["-n"], "zsh"), ("fish", &["--no-execute"], "fish")];
    for (shell, arguments, kind) in checks {
        let script = printed(&["completions", kind]);
        assert!(script.len() > 1000, "{shell}");
        let found = complaints(shell, arguments, &script);
        assert!(found.as_deref().is_none_or(str::is_empty), "{shell}: {found:?}");
    }
}

#[test]
fn manual_page_is_formatted_without_warnings() {
    let page = printed(&["man"]);
    let checks: [(&str, &[&str]); 2] =
        [("groff", &["-Tutf8", "-ww", "-man"]), ("man", &["--warnings=w", "-l", "-"])];
    for (formatter, arguments) in checks {
        let found = complaints(formatter, arguments, &page);
        assert!(found.as_deref().is_none_or(str::is_empty), "{formatter}: {found:?}");
    }
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "CONFIGURATION", "EXIT STATUS"]
    {
        let heading =
            if section.contains(' ') { format!(".SH \"{section}\"") } else { format!(".SH {section}") };
        assert_eq!(page.lines().filter(|line| *line == heading).count(), 1, "{section}");
    }
}

#[test]
fn manual_page_has_every_command_every_flag_every_key_and_every_exit_code() {
    let page = printed(&["man"]).replace("\\-", "-");
    let headings: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".SS "))
        .map(|name| name.trim_matches('"'))
        .collect();
    for command in commands() {
        assert!(headings.contains(format!("kafka-heartbeat {command}").as_str()), "{command}: {headings:?}");
    }
    let flags = |command: &clap::Command| {
        let flags = command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned));
        flags.collect::<Vec<_>>()
    };
    let all = Cli::command();
    let inner =
        all.get_subcommands().flat_map(|command| [command].into_iter().chain(command.get_subcommands()));
    for flag in inner.flat_map(flags).chain(flags(&all)) {
        assert!(page.contains(&format!("--{flag}")), "{flag}");
    }
    let mut section = "";
    let mut keys = 0;
    for line in include_str!("../config.example.ini").lines().filter(|line| !line.starts_with(';')) {
        if line.starts_with('[') {
            section = line;
            assert!(headings.contains(section), "{section}");
        } else if !line.is_empty() {
            keys += 1;
            assert!(page.contains(&format!("\\fB{line}\\fR")), "{section} {line}");
        }
    }
    assert!(keys > 100, "{keys} keys were found");
}

#[test]
fn exit_codes_of_the_manual_page_are_those_of_the_documents() {
    let text = include_str!("../docs/commands.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| exit code |")).skip(2);
    let documented: Vec<_> = rows
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(code, meaning)| (code.to_owned(), meaning.to_owned()))
        .collect();
    let known: Vec<_> =
        exit::MEANINGS.map(|(code, meaning)| (code.to_string(), meaning.to_owned())).into_iter().collect();
    assert_eq!(documented, known);
    let page = printed(&["man"]).replace("\\-", "-");
    let (_, list) = page.split_once(".SH \"EXIT STATUS\"\n").expect("the section");
    for (code, meaning) in known {
        assert!(list.contains(&format!(".TP\n\\fB{code}\\fR\n{meaning}\n")), "{code} {meaning}: {list}");
    }
}
