//! The source of the program of the brokers: `KAFKA_HOME`, or Maven into `target/kafka`. Maven is the source of the other
//! Java programs of the tests too.
//!
//! Test processes that run side by side share one copy; a file lock lets one of them fetch it.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::Extras;

const VERSION: &str = "4.1.0";

/// The class path of Kafka's programs, or why there is none.
pub(crate) fn class_path() -> Result<&'static str, &'static str> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(find).as_deref().map_err(|why| why.as_str())
}

/// The folder for all files that the tests leave behind.
pub(crate) fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo puts tmp into target");
    let folder = target.join("kafka");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Takes a lock that other processes respect too, and waits for it; dropping the file frees it.
pub(crate) fn lock(name: &str) -> File {
    let file = File::create(folder().join(name)).unwrap();
    file.lock().unwrap();
    file
}

fn find() -> Result<String, String> {
    find_java()?;
    if let Some(home) = env::var_os("KAFKA_HOME") {
        let libs = Path::new(&home).join("libs");
        return if libs.is_dir() {
            Ok(format!("{}/*", libs.display()))
        } else {
            Err(format!("KAFKA_HOME has no folder {}", libs.display()))
        };
    }
    let version = version();
    let jars = jars(&format!("libs-{version}"), "kafka/pom.xml", &format!("kafka.version={version}"))?;
    Ok(format!("{}/*", jars.display()))
}

/// Checks that there is a Java virtual machine.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn find_java() -> Result<(), String> {
    let found = runs("java", "-version");
    if found { Ok(()) } else { Err("no java in PATH (17 or later)".into()) }
}

/// Settings of a single broker whose remote storage is this folder: that of Kafka's own tests. `None` skips the test.
pub(crate) fn tiered_storage(remote: &Path) -> Option<Extras> {
    let jars = of_kafka("tiered", "kafka/tiered.pom.xml")?;
    let properties = format!(
        "remote.log.storage.system.enable=true
remote.log.storage.manager.class.name=org.apache.kafka.server.log.remote.storage.LocalTieredStorage
remote.log.storage.manager.class.path={jars}
remote.log.metadata.manager.listener.name=PLAINTEXT
rsm.config.dir={}
rlmm.config.remote.log.metadata.topic.replication.factor=1
rlmm.config.remote.log.metadata.topic.num.partitions=1
remote.log.manager.task.interval.ms=500
log.retention.check.interval.ms=500
",
        remote.display()
    );
    Some(Extras { properties, ..Extras::default() })
}

/// The class path of a worker of Kafka Connect. `None` skips the test.
pub(crate) fn connect() -> Option<String> {
    of_kafka("connect", "connect/pom.xml")
}

/// The class path of MirrorMaker 2. `None` skips the test.
pub(crate) fn mirror() -> Option<String> {
    of_kafka("mirror", "kafka/mirror.pom.xml")
}

/// The class path of what a pom names, in the version of the brokers. `None` skips the test.
fn of_kafka(name: &str, pom: &str) -> Option<String> {
    let version = version();
    let jars = class_path()
        .map_err(str::to_owned)
        .and_then(|_| jars(&format!("{name}-{version}"), pom, &format!("kafka.version={version}")));
    match jars {
        Ok(jars) => Some(format!("{}/*", jars.display())),
        Err(why) => {
            super::skip(&why);
            None
        }
    }
}

/// The folder `name` in [`folder`] with the jars that a pom names, its path relative to the test support. Maven
/// copies them at the first use. `property` is a `name=value` that the pom refers to.
pub(crate) fn jars(name: &str, pom: &str, property: &str) -> Result<PathBuf, String> {
    let jars = folder().join(name);
    let _one_at_a_time = lock("install.lock");
    if !jars.is_dir() {
        fetch(&jars, pom, property)?;
    }
    Ok(jars)
}

/// Copies the jars into a folder: all of them or nothing.
fn fetch(jars: &Path, pom: &str, property: &str) -> Result<(), String> {
    if !runs("mvn", "-version") {
        return Err(format!("no mvn in PATH to fetch the jars of tests/support/{pom} with"));
    }
    let partial = jars.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    let result = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(pom))
        .arg(format!("-D{property}"))
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .arg("-DexcludeArtifactIds=slf4j-reload4j") // Kafka 3 brings it; it is silent without a file of its own
        .arg("dependency:copy-dependencies")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mvn did not start: {error}"))?;
    if !result.status.success() {
        let words = String::from_utf8_lossy(&result.stdout);
        return Err(format!("mvn could not fetch the jars of tests/support/{pom} ({property}):\n{words}"));
    }
    fs::rename(&partial, jars).map_err(|error| format!("cannot rename {}: {error}", partial.display()))
}

fn runs(program: &str, argument: &str) -> bool {
    let status = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// The version that is fetched.
pub(super) fn version() -> String {
    env::var("KAFKA_TEST_VERSION").unwrap_or_else(|_| VERSION.into())
}

/// Whether the version of Kafka is 4.0 or later: KIP-848 without switches, and tools in other packages.
pub(crate) fn is_modern() -> bool {
    version().split('.').next().and_then(|major| major.parse().ok()).is_none_or(|major: u32| major >= 4)
}

/// A folder of this process. Folders of processes that have ended are removed first: their lock is free.
pub(crate) fn run_folder() -> PathBuf {
    static RUN: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (folder, _owner) = RUN.get_or_init(|| {
        let root = folder();
        let _cleaning = lock("runs.lock");
        for entry in fs::read_dir(&root).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("run-") {
                remove_if_orphaned(&entry.path());
            }
        }
        let folder = root.join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let owner = File::create(folder.join("owner.lock")).unwrap();
        owner.lock().unwrap();
        (folder, owner)
    });
    folder.clone()
}

fn remove_if_orphaned(folder: &Path) {
    let orphaned = File::open(folder.join("owner.lock")).is_ok_and(|owner| owner.try_lock().is_ok());
    if orphaned {
        let _ = fs::remove_dir_all(folder);
    }
}
