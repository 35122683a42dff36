//! The Java programs of these tests, which are compiled beside Kafka's own classes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::kafka::{install, skip_without};

/// Says that a test of MSK IAM is skipped, and why.
pub(super) fn skip(why: &str) {
    skip_without("a JDK and a real Kafka", why, "install a JDK 17 and Maven");
}

/// The class path of a program of `tests/java`: its own classes, then Kafka's, then others.
///
/// # Errors
/// A sentence that says what is missing, or the compiler's output.
pub(super) fn compile(source: &str, into: &Path, others: &[String]) -> Result<String, String> {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java").join(source);
    let mut class_path = vec![into.display().to_string(), install::class_path()?.to_owned()];
    class_path.extend_from_slice(others);
    let class_path = class_path.join(":");
    let output = Command::new("javac")
        .args(["--release", "17", "-Xlint:all,-path,-processing,-classfile,-options", "-proc:none"])
        .args(["-cp", &class_path, "-d"])
        .arg(into)
        .arg(&file)
        .output()
        .map_err(|error| format!("no javac in PATH (17 or later): {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("javac could not compile tests/java/{source}:\n{words}"));
    }
    assert!(words.is_empty(), "javac warns of tests/java/{source}:\n{words}");
    Ok(class_path)
}
