//! Host names that resolve as a case wants: a small library takes the place of `getaddrinfo` in the service.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The domain of the host names.
const DOMAIN: &str = "faults.example";

/// The library, and the file with the host names that do not resolve.
pub(crate) struct Names {
    library: PathBuf,
    failing: PathBuf,
}

impl Names {
    /// Compiles the library into a folder. Every name of the domain resolves.
    pub(crate) fn new(folder: &Path) -> Self {
        let names = Self { library: library(folder, "resolver"), failing: folder.join("failing-names") };
        names.fail(&[]);
        names
    }

    /// The host name of a broker.
    pub(crate) fn of_broker(id: i32) -> String {
        format!("broker-{id}.{DOMAIN}")
    }

    /// The variables of the environment with which a service resolves names by the library.
    pub(crate) fn environment(&self) -> [(&str, String); 2] {
        let text = |path: &Path| path.display().to_string();
        [("LD_PRELOAD", text(&self.library)), ("FAILING_NAMES", text(&self.failing))]
    }

    /// Only these brokers' names do not resolve from now on.
    pub(crate) fn fail(&self, brokers: &[i32]) {
        let lines: String = brokers.iter().map(|id| Self::of_broker(*id) + "\n").collect();
        let fresh = self.failing.with_extension("new");
        fs::write(&fresh, lines).expect("a file");
        fs::rename(fresh, &self.failing).expect("a renamed file");
    }
}

/// Compiles a library for `LD_PRELOAD` into a folder. `name` is the name of its source without the ending.
pub(crate) fn library(folder: &Path, name: &str) -> PathBuf {
    let library = folder.join(format!("{name}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/faults/{name}.c"));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut compile = Command::new(compiler);
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(compile.status().expect("a C compiler").success(), "the library is compiled");
    library
}
