//! A KDC: `krb5kdc` of Debian's `krb5-kdc`, with a database and a configuration in a folder of its own.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::support::{
    kafka::{free_port, install::run_folder, process::Supervised, skip_without},
    wait_for,
};

pub(crate) const REALM: &str = "TEST";
/// The principal with all permissions in Kafka.
pub(crate) const HEARTBEAT: &str = "heartbeat@TEST";
/// The principal of the broker.
pub(crate) const BROKER: &str = "kafka/127.0.0.1@TEST";
/// A principal that is in [`Kdc::keytab`], and that the KDC does not know any more.
pub(crate) const REMOVED: &str = "removed@TEST";

/// How long the KDC may take to start on a busy machine; less than a second is usual.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Debian's folder of programs for administrators, which is not in the `PATH` of every user.
const PROGRAMS: &str = "/usr/sbin";

/// The KDC; dropping it ends it.
pub(crate) struct Kdc {
    port: u16,
    folder: PathBuf,
    process: Mutex<Option<Supervised>>,
}

impl Kdc {
    /// Starts a KDC whose tickets live for this time, in whole seconds. `None` skips the test.
    pub(crate) fn start(ticket_lifetime: Duration) -> Option<Self> {
        static KDC: AtomicU32 = AtomicU32::new(0);
        let missing =
            ["krb5kdc", "kdb5_util", "kadmin.local"].into_iter().find(|name| !program(name).is_file());
        if let Some(missing) = missing {
            let why = format!("no {PROGRAMS}/{missing}");
            skip_without("a KDC", &why, "install krb5-kdc and krb5-admin-server");
            return None;
        }
        let folder = run_folder().join(format!("kdc-{}", KDC.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&folder).expect("a folder");
        let kdc = Self { port: free_port(), folder, process: Mutex::new(None) };
        kdc.configure(ticket_lifetime);
        kdc.run("kdb5_util", &["create", "-s", "-W", "-r", REALM, "-P", "master"], "");
        let keytab = kdc.keytab().display().to_string();
        let others = kdc.broker_keytab().display().to_string();
        let commands = format!(
            "addprinc -randkey {HEARTBEAT}\naddprinc -randkey {REMOVED}\naddprinc -randkey {BROKER}\n\
             ktadd -k {keytab} {HEARTBEAT} {REMOVED}\nktadd -k {others} {BROKER}\ndelprinc -force {REMOVED}\n"
        );
        kdc.run("kadmin.local", &["-r", REALM], &commands);
        kdc.restart();
        Some(kdc)
    }

    /// `KRB5_CONFIG` of every client, and `java.security.krb5.conf` of the broker.
    pub(crate) fn client_configuration(&self) -> PathBuf {
        self.folder.join("krb5.conf")
    }

    /// The keytab with the keys of [`HEARTBEAT`] and [`REMOVED`].
    pub(crate) fn keytab(&self) -> PathBuf {
        self.folder.join("heartbeat.keytab")
    }

    /// The keytab with the key of [`BROKER`].
    pub(crate) fn broker_keytab(&self) -> PathBuf {
        self.folder.join("broker.keytab")
    }

    /// Freezes the KDC (SIGSTOP): it takes requests and does not answer.
    pub(crate) fn pause(&self) {
        self.process().as_mut().expect("the KDC runs").signal("STOP");
    }

    /// Wakes a frozen KDC (SIGCONT).
    pub(crate) fn resume(&self) {
        self.process().as_mut().expect("the KDC runs").signal("CONT");
    }

    /// Ends the KDC (SIGKILL): its port refuses connections.
    pub(crate) fn kill(&self) {
        let process = self.process().take();
        process.expect("the KDC runs").kill();
    }

    /// Starts the KDC again after `kill`, with the same address and database; returns when it listens.
    pub(crate) fn restart(&self) {
        assert!(self.process().is_none(), "the KDC still runs");
        let environment = self.environment().map(|(name, path)| (name, path.display().to_string()));
        let command = program("krb5kdc").display().to_string();
        let pid_file = self.folder.join("kdc.pid").display().to_string();
        let arguments = ["-n", "-r", REALM, "-P", &pid_file].map(str::to_owned);
        let log = self.folder.join("kdc.out");
        let process = Supervised::program(&environment, &command, &arguments, &self.folder, &log);
        *self.process() = Some(process);
        wait_for("the KDC to listen", START_LIMIT, || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("KRB5_CONFIG", self.client_configuration()), ("KRB5_KDC_PROFILE", self.folder.join("kdc.conf"))]
    }

    fn configure(&self, ticket_lifetime: Duration) {
        let Self { port, folder, .. } = self;
        let folder = folder.display();
        let client = format!(
            "[libdefaults]\ndefault_realm = {REALM}\nrdns = false\ndns_canonicalize_hostname = false\n\
             dns_lookup_kdc = false\ndns_lookup_realm = false\n\
             [realms]\n{REALM} = {{\nkdc = 127.0.0.1:{port}\n}}\n"
        );
        let own = format!(
            "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n\
             [realms]\n{REALM} = {{\ndatabase_name = {folder}/principal\nkey_stash_file = {folder}/stash\n\
             acl_file = {folder}/kadm5.acl\nmax_life = {}s\nsupported_enctypes = aes256-cts:normal\n}}\n\
             [logging]\nkdc = FILE:{folder}/kdc.log\n",
            ticket_lifetime.as_secs()
        );
        fs::write(self.client_configuration(), client).expect("a file");
        fs::write(self.folder.join("kdc.conf"), own).expect("a file");
    }

    /// Runs a program of the KDC to its end.
    fn run(&self, name: &str, arguments: &[&str], input: &str) {
        let mut child = Command::new(program(name))
            .args(arguments)
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?} failed: {words}");
    }

    /// A test that panicked while it held the lock left no half-done work behind.
    fn process(&self) -> MutexGuard<'_, Option<Supervised>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn program(name: &str) -> PathBuf {
    Path::new(PROGRAMS).join(name)
}
