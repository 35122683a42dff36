//! The command line: the arguments, and what each command does for a terminal.

mod arguments;
mod commands;
mod completions;
mod configuration;
mod demo;
mod documents;
mod gate;
mod health;
mod import;
mod manual;
mod month;
mod progress;
mod report;
mod runtime;
mod service;
mod terminal;

pub use self::{
    arguments::{Cli, Command, Connection, Run, TopicAction},
    commands::execute,
};
