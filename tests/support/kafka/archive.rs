//! The archive of the classes that a broker has loaded. A broker that maps it starts with half of the work.

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
};

use super::{Extras, Kafka, install};

/// The argument of the Java virtual machine that maps the archive, if there is one.
pub(super) fn flag() -> Option<String> {
    let archive = path()?;
    let is_there = archive.metadata().is_ok_and(|file| file.len() > 0);
    is_there.then(|| format!("-XX:SharedArchiveFile={}", archive.display()))
}

/// Lets a broker archive its classes when it ends, once for each version. A virtual machine that cannot do so leaves an empty file.
pub(super) fn make() {
    let Some(archive) = path() else { return };
    let _one_at_a_time = install::lock("archive.lock");
    if archive.exists() {
        return;
    }
    let partial = archive.with_extension("partial");
    let flags = vec![format!("-XX:ArchiveClassesAtExit={}", partial.display())];
    if let Ok(kafka) = Kafka::try_launch(1, None, &Extras { flags, ..Extras::default() }) {
        kafka.brokers[0].stop();
    }
    if fs::rename(&partial, &archive).is_err() {
        File::create(&archive).expect("the folder of the tests can be written");
    }
}

/// The file. `None` for a Kafka of unknown version.
fn path() -> Option<PathBuf> {
    let is_fetched = env::var_os("KAFKA_HOME").is_none();
    is_fetched.then(|| install::folder().join(format!("broker-{}.jsa", install::version())))
}
