//! A real Schema Registry: Apicurio Registry, which keeps its schemas in Kafka and has Confluent's API beside its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use super::{
    kafka::{
        Kafka, Listener, free_port,
        install::{folder, jars, lock, run_folder},
        process::Supervised,
        skip_without,
    },
    wait_for,
};

const VERSION: &str = "3.3.3";

/// How long the registry may take to start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(180);

/// The registry; dropping it ends it.
pub(crate) struct Registry {
    port: u16,
    _process: Supervised,
}

impl Registry {
    /// Starts a registry of one node that keeps its schemas in this cluster. `None` skips the test.
    pub(crate) fn start(kafka: &Kafka) -> Option<Self> {
        static FOUND: OnceLock<Result<(PathBuf, PathBuf), String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| Ok((java()?, installed()?)));
        let (java, program) = match found {
            Ok(found) => found,
            Err(why) => {
                skip_without("a Schema Registry", why, "install Java 21 and Maven");
                return None;
            }
        };
        let port = free_port();
        let folder = run_folder().join("registry");
        fs::create_dir_all(&folder).expect("a folder of the run");
        let flags = "-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1";
        let settings = [
            ("quarkus.http.host", "127.0.0.1".to_owned()),
            ("quarkus.http.port", port.to_string()),
            ("quarkus.management.enabled", "false".to_owned()),
            ("apicurio.storage.kind", "kafkasql".to_owned()),
            ("apicurio.kafkasql.bootstrap.servers", kafka.bootstrap(Listener::Plaintext)),
            ("apicurio.kafkasql.coordinator.response-timeout", "1000".to_owned()),
            ("apicurio.kafkasql.consumer.poll.timeout", "100".to_owned()),
        ];
        let settings = settings.iter().map(|(key, value)| format!("-D{key}={value}"));
        let arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).chain(settings).collect();
        let jar = program.join("quarkus-run.jar").display().to_string();
        let arguments = [arguments, vec!["-jar".to_owned(), jar]].concat();
        let process = Supervised::program(
            &[],
            &java.display().to_string(),
            &arguments,
            &folder,
            &folder.join("registry.log"),
        );
        let registry = Self { port, _process: process };
        wait_for("the Schema Registry to answer", START_LIMIT, || {
            ureq::get(format!("{}/subjects", registry.url())).call().ok()
        });
        Some(registry)
    }

    /// The address of Confluent's API.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Registers a schema for a subject.
    pub(crate) fn register(&self, subject: &str) {
        let url = format!("{}/subjects/{subject}/versions", self.url());
        let schema = r#"{"schema":"{\"type\":\"string\"}"}"#;
        wait_for("the registry to register a schema", Duration::from_secs(60), || {
            ureq::post(&url).header("content-type", "application/json").send(schema).ok()
        });
    }
}

/// A program `java` of version 21 or later, or why there is none.
fn java() -> Result<PathBuf, String> {
    let beside = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    let beside = beside.map(|folder| folder.path().join("bin/java"));
    [PathBuf::from("java")]
        .into_iter()
        .chain(beside)
        .find(|java| is_new(java))
        .ok_or_else(|| "there is no java of version 21 or later".to_owned())
}

/// Whether this program `java` is of version 21 or later.
fn is_new(java: &Path) -> bool {
    let Ok(output) = Command::new(java).arg("-version").stdin(Stdio::null()).output() else { return false };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split('"').nth(1).and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    version.is_some_and(|version| version >= 21)
}

/// The folder of the unpacked registry.
fn installed() -> Result<PathBuf, String> {
    let archive =
        jars(&format!("registry-{VERSION}"), "registry/pom.xml", &format!("registry.version={VERSION}"))?;
    let unpacked = folder().join(format!("registry-{VERSION}-unpacked"));
    let _one_at_a_time = lock("registry.lock");
    if !unpacked.is_dir() {
        let partial = unpacked.with_extension("partial");
        _ = fs::remove_dir_all(&partial);
        fs::create_dir_all(&partial).expect("a folder beside the archive");
        let found = fs::read_dir(&archive)
            .expect("the folder that Maven filled")
            .flatten()
            .next()
            .ok_or("Maven has copied no archive")?;
        unpack(&found.path(), &partial)?;
        fs::rename(&partial, &unpacked).map_err(|error| error.to_string())?;
    }
    Ok(unpacked)
}

fn unpack(archive: &Path, folder: &Path) -> Result<(), String> {
    let status =
        Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder).stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("tar cannot unpack {}: {other:?}", archive.display())),
    }
}
