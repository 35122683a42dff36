//! Programs of others that a test runs: Prometheus, Alertmanager.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::wait_for;

/// A process that ends with the test, and where it writes.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it, with its log in the folder, and waits until it listens at the address.
    pub(crate) fn start(command: &mut Command, folder: &Path, name: &str, address: &str) -> Self {
        let log = folder.join(name).with_extension("log");
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let running = Self { child: command.spawn().unwrap(), log };
        wait_for(name, Duration::from_secs(60), || std::net::TcpStream::connect(address).ok());
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// The path of a program from a variable of the environment; absent if the variable is not set.
pub(crate) fn tool(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(found.is_some() || !strict, "{variable} does not name the path of the program");
    if found.is_none() {
        eprintln!("{variable} is not set: the test is skipped");
    }
    found
}
