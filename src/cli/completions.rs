//! `completions`: the script with which a shell completes the arguments.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::{arguments::Cli, terminal::say};
use crate::exit::Exit;

/// Prints the script for a shell.
pub(super) fn write(shell: Shell) -> Exit {
    say(&script(shell));
    Exit::Ok
}

/// The script, which is made from the definitions of the arguments.
fn script(shell: Shell) -> String {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // With a hyphen in the name, clap_complete 4.6 writes a script for bash that completes nothing after a command.
    let alias = if shell == Shell::Bash { name.replace('-', "_") } else { name.clone() };
    let mut script = Vec::new();
    generate(shell, &mut command, &*alias, &mut script);
    let script = String::from_utf8_lossy(&script);
    let named = script.lines().map(|line| {
        let renamed = line.trim_start().starts_with("complete ").then(|| line.strip_suffix(&alias)).flatten();
        renamed.map_or_else(|| format!("{line}\n"), |begin| format!("{begin}{name}\n"))
    });
    named.collect()
}
