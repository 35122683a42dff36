//! The files of certificates, keys and passwords of modules, which another program renews while the service runs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::modules::{Module, Modules};
use crate::{
    config::{self, Problem},
    files::{Checked, FileSet},
    kafka::{PropertyError, rotation},
};

/// The pause between two checks of the files.
const INTERVAL: Duration = Duration::from_secs(3);

/// Reads the files of the modules again when they change, until the service stops. Renewed files are used for the next probe: unlike
/// those of a cluster they cannot be tried out before, because a module has no brokers of its own. Files that cannot be used
/// do not replace those in use.
pub async fn renew_files(modules: Arc<Modules>, stop: CancellationToken) {
    let mut watched = Watched::new(Vec::new());
    let mut was_hung = false;
    while stop.run_until_cancelled(sleep(INTERVAL)).await.is_some() {
        let used = modules.settings();
        if used != watched.modules {
            watched = Watched::new(used);
        }
        if watched.files.is_empty() {
            continue;
        }
        let settings = watched.modules.clone();
        let checked = watched.files.check(move || settings.iter().map(read_again).collect()).await;
        let is_hung = matches!(checked, Checked::Hung);
        match checked {
            Checked::Same => {}
            Checked::Changed(read) => use_renewed(&modules, &watched.modules, read),
            Checked::Unusable(reason) => tracing::warn!(
                "the renewed files of modules cannot be used and those read before stay in use: {reason}"
            ),
            Checked::Hung if was_hung => {}
            Checked::Hung => {
                tracing::warn!("the files of modules cannot be read: the file system does not answer");
            }
        }
        was_hung = is_hung;
    }
}

/// Modules and their files.
struct Watched {
    modules: Vec<config::Module>,
    files: FileSet<Vec<Module>>,
}

impl Watched {
    fn new(modules: Vec<config::Module>) -> Self {
        let files = |module: &config::Module| -> Vec<PathBuf> {
            rotation::files(&module.kafka, &module.secrets).map(|(_, path)| path).collect()
        };
        let files = FileSet::new(modules.iter().flat_map(files).collect());
        Self { modules, files }
    }
}

/// Uses the modules that were read again, each in place of the one before.
fn use_renewed(modules: &Modules, before: &[config::Module], read: Vec<Module>) {
    for (before, renewed) in before.iter().zip(read) {
        if modules.renew(before, renewed) {
            tracing::info!("the renewed files of [module:{}] are used", before.name);
        }
    }
}

/// A module with what its files hold now.
///
/// # Errors
/// Everything that is wrong, each with its place.
fn read_again(module: &config::Module) -> Result<Module, String> {
    let name = &module.name;
    let kafka = module.secrets.reread_all(&module.kafka).map_err(|problems| {
        let words = |Problem { place, message }: Problem| format!("{place}: [module:{name}] {message}");
        problems.into_iter().map(words).collect::<Vec<_>>().join("; ")
    })?;
    Module::new(config::Module { kafka, ..module.clone() }).map_err(|errors| {
        let words =
            |PropertyError { key, place, message }| format!("{place}: [module:{name}] {key}: {message}");
        errors.into_iter().map(words).collect::<Vec<_>>().join("; ")
    })
}
