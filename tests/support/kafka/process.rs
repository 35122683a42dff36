//! The process of a broker or of another server, which ends with the process of the test.
//!
//! Statics are not dropped and SIGKILL cannot be caught, so no destructor can promise that a broker ends.
//! A small shell supervises the broker. It holds the read end of a pipe, and only the test process holds the write end.
//! When the test process ends in any way, the shell reads the end of the pipe and kills its child. The shell has not reaped
//! the child before, so no other process can have the process id.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// `$1` is the log file, the other arguments are the command. Each line of the input names a signal for the child; a line
/// of output confirms that the signal was sent.
/// Signals are ignored only after the start, because the child would inherit that. TERM is waited for.
const SUPERVISOR: &str = r#"
log=$1; shift
"$@" >>"$log" 2>&1 </dev/null &
pid=$!
trap '' INT HUP TERM
echo "$pid"
while read -r signal; do
  kill -s "$signal" "$pid"
  if [ "$signal" = TERM ]; then wait "$pid"; echo ended; exit 0; fi
  echo passed
done
kill -s KILL "$pid"
wait "$pid"
"#;

/// A running child and its supervisor.
pub(crate) struct Supervised {
    supervisor: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: u32,
}

impl Supervised {
    /// Starts `java` with these arguments in `folder`; what it prints is appended to `log`.
    pub(crate) fn java(arguments: &[String], folder: &Path, log: &Path) -> Self {
        Self::java_in(&[], arguments, folder, log)
    }

    /// Starts `java` as [`Supervised::java`] does, with these variables in its environment.
    pub(crate) fn java_in(
        environment: &[(&str, String)],
        arguments: &[String],
        folder: &Path,
        log: &Path,
    ) -> Self {
        Self::program(environment, "java", arguments, folder, log)
    }

    /// Starts a program with these arguments in `folder`, with these variables in its environment; what it prints is appended
    /// to `log`. The program must stay in the foreground.
    pub(crate) fn program(
        environment: &[(&str, String)],
        program: &str,
        arguments: &[String],
        folder: &Path,
        log: &Path,
    ) -> Self {
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(log)
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log.with_extension("supervisor.log")).unwrap())
            .process_group(0) // a Ctrl-C ends the tests, and their end ends the broker
            .spawn()
            .unwrap();
        let commands = supervisor.stdin.take();
        let mut answers = BufReader::new(supervisor.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let pid = line.trim().parse().expect("the supervisor prints the process id first");
        Self { supervisor, commands, answers, pid }
    }

    /// The child's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Passes a signal on (`STOP`, `CONT`); returns when it was sent.
    pub(crate) fn signal(&mut self, name: &str) {
        let commands = self.commands.as_mut().expect("the pipe stays open until the end");
        writeln!(commands, "{name}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the supervisor of {} has ended", self.pid);
    }

    /// Asks the child to end (SIGTERM) and waits until it has.
    pub(crate) fn terminate(mut self) {
        self.signal("TERM");
    }

    /// Ends the child (SIGKILL) and waits until it has ended.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.supervisor.wait();
    }
}

/// The place of a process that a test freezes, ends and starts again.
#[derive(Default)]
pub(crate) struct Restartable(Mutex<Option<Supervised>>);

impl Restartable {
    /// Takes in a process that has just started. Panics if the one before still runs.
    pub(crate) fn put(&self, process: Supervised) {
        let before = self.process().replace(process);
        assert!(before.is_none(), "the process before still runs");
    }

    /// The process id, while the process runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Supervised::pid)
    }

    /// Freezes the process (SIGSTOP): its sockets stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Wakes a frozen process (SIGCONT).
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Ends the process (SIGKILL) and waits until it has ended.
    pub(crate) fn kill(&self) {
        let process = self.process().take();
        process.expect("the process runs").kill();
    }

    /// Asks the process to end (SIGTERM) and waits until it has ended.
    pub(crate) fn terminate(&self) {
        let process = self.process().take();
        process.expect("the process runs").terminate();
    }

    fn signal(&self, name: &str) {
        self.process().as_mut().expect("the process runs").signal(name);
    }

    /// A test that panicked while it held the lock left no half-done work behind.
    fn process(&self) -> MutexGuard<'_, Option<Supervised>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
