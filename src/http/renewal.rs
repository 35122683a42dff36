//! The files of the password and of the token of `[http]`, which another program renews while the service runs.

use std::{mem::replace, path::PathBuf, time::Duration};

use tokio::time::sleep;

use super::state::Shared;
use crate::{
    config::Http,
    files::{Checked, FileSet},
};

/// The pause between two checks of the files.
const INTERVAL: Duration = Duration::from_secs(3);

/// Reads the files again when they change, until the service stops. A password or a token that cannot be used does not replace
/// the one in use.
pub async fn renew_credentials(state: Shared, http: Http) {
    let mut files = FileSet::new(http.secrets.paths().map(PathBuf::from).collect());
    let Some(access) = state.access.as_ref().filter(|_| !files.is_empty()) else { return };
    let mut is_hung = false;
    while state.stop.run_until_cancelled(sleep(INTERVAL)).await.is_some() {
        let settings = http.clone();
        let checked = files.check(move || settings.reread()).await;
        let was_hung = replace(&mut is_hung, matches!(checked, Checked::Hung));
        match checked {
            Checked::Same => {}
            Checked::Changed(http) => {
                // The first check reads what was read at the start.
                if access.renew(&http) {
                    tracing::info!("the renewed password and token of [http] are used");
                }
            }
            Checked::Unusable(reason) => tracing::warn!(
                "the renewed password or token of [http] cannot be used and those read before stay in use: {reason}"
            ),
            Checked::Hung if was_hung => {}
            Checked::Hung => tracing::warn!(
                "the files of the password and of the token of [http] cannot be read: the file system does not answer"
            ),
        }
    }
}
