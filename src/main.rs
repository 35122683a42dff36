//! The program: prepares the process and does what the arguments ask for.

use std::process::ExitCode;

use clap::Parser;
use kafka_heartbeat::{
    cli::{self, Cli},
    process,
};

fn main() -> ExitCode {
    process::give_memory_back();
    process::raise_descriptor_limit();
    #[cfg(feature = "gssapi")]
    process::keep_tickets_in_memory();
    let environment = process::environment();
    cli::execute(Cli::parse(), environment).into()
}
