//! `man`: the manual page, made from the definitions of the arguments and from `config.example.ini`.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{
    arguments::Cli,
    terminal::{complain, say},
};
use crate::{
    config::{ReferenceEntry, reference},
    exit::{self, Exit},
};

/// Prints the manual page.
pub(super) fn write() -> Exit {
    match page() {
        Ok(page) => {
            say(&page);
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("the manual page cannot be written: {error}"));
            Exit::Internal
        }
    }
}

/// The manual page in the language of `man`. One page has all commands, so that a reader needs no second one.
fn page() -> io::Result<String> {
    // The commands need no word `help` of their own, because they are all on this page.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let source = concat!("kafka-heartbeat ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title("KAFKA-HEARTBEAT").source(source).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut page = text(page);
    page += ".SH COMMANDS\n";
    commands(&command, &mut page)?;
    page += &configuration();
    page += &exit_status();
    // Each part begins with the same definition of an apostrophe. The page needs it once.
    let definition = Roff::new().render();
    Ok(definition.clone() + &ascii(&page.replace(&definition, "")))
}

/// Each command that does something, with its arguments.
fn commands(command: &Command, page: &mut String) -> io::Result<()> {
    for inner in command.get_subcommands() {
        if inner.has_subcommands() {
            commands(inner, page)?;
            continue;
        }
        let name = inner.get_bin_name().unwrap_or_else(|| inner.get_name());
        *page += &Roff::new().control("SS", [name.replace('-', "\\-").as_str()]).render();
        let man = Man::new(inner.clone());
        let mut parts = Vec::new();
        man.render_synopsis_section(&mut parts)?;
        parts.extend_from_slice(b".PP\n");
        man.render_description_section(&mut parts)?;
        man.render_options_section(&mut parts)?;
        // These are parts of a command here, and not of the page.
        let parts = text(parts);
        let kept = parts.lines().filter(|line| !line.starts_with(".SH "));
        *page += &kept.flat_map(|line| [line, "\n"]).collect::<String>();
    }
    Ok(())
}

/// The keys of the configuration, with the defaults and the comments of the example file.
fn configuration() -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["CONFIGURATION"]);
    roff.text([roman("Each section and each key, with the default and the comments of config.example.ini:")]);
    for section in reference() {
        if !section.name.is_empty() {
            roff.control("SS", [format!("[{}]", section.name).as_str()]);
        }
        for entry in section.entries {
            describe(entry, &mut roff);
        }
    }
    roff.render()
}

/// A comment of the example file as the text below its keys, or as a paragraph if there are none.
fn describe(ReferenceEntry { comment, keys }: ReferenceEntry, roff: &mut Roff) {
    for (index, (key, default)) in keys.iter().enumerate() {
        roff.control(if index == 0 { "TP" } else { "TQ" }, []);
        roff.text([bold(format!("{key} = {default}").trim_end())]);
    }
    if keys.is_empty() {
        roff.control("PP", []);
    }
    for line in comment {
        if is_example(&line) {
            roff.control("br", []).text([bold(line)]).control("br", []);
        } else {
            roff.text([roman(line)]);
        }
    }
}

/// Whether a line of a comment is a line of a configuration, which has to stay a line.
fn is_example(line: &str) -> bool {
    let is_section = line.starts_with('[') && line.ends_with(']');
    is_section || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
}

fn exit_status() -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::MEANINGS {
        roff.control("TP", []).text([bold(code.to_string())]).text([roman(meaning)]);
    }
    roff.render()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The page with each character outside of ASCII as an escape sequence, because the encoding that a formatter expects is
/// not known.
fn ascii(page: &str) -> String {
    let mut escaped = String::with_capacity(page.len());
    for c in page.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            escaped += &format!("\\[u{:04X}]", u32::from(c));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_ascii_and_defines_its_apostrophe_once() {
        let page = page().expect("a page");
        assert!(page.is_ascii());
        assert_eq!(page.matches(".ds Aq").count(), 2, "one definition for each kind of formatter");
        assert_eq!(ascii("a…b"), "a\\[u2026]b");
    }

    #[test]
    fn line_of_a_configuration_in_a_comment_stays_a_line() {
        for line in ["[cluster:eu]", "heartbeat.interval = 500ms"] {
            assert!(is_example(line), "{line}");
        }
        for line in ["A key = value is no example here.", "[kafka] then holds only what is common."] {
            assert!(!is_example(line), "{line}");
        }
    }
}
