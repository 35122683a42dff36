//! Configurations for the tests of the sections.

use super::{Cluster, Config, FlagSetting, Sources, load};

fn sources(bootstrap: Option<&str>, settings: &[(&'static str, &str, &str)]) -> Sources {
    let set = |(section, key, value): &(&'static str, &str, &str)| FlagSetting {
        section,
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "test",
    };
    let settings = settings.iter().map(set).collect();
    Sources { bootstrap: bootstrap.map(str::to_owned), settings, ..Sources::default() }
}

/// The configuration with these settings: section, key, value.
pub(super) fn config(settings: &[(&'static str, &str, &str)]) -> Config {
    load(&sources(Some("b:1"), settings)).expect("valid settings")
}

/// The only cluster of the configuration with these settings.
pub(super) fn cluster(settings: &[(&'static str, &str, &str)]) -> Cluster {
    config(settings).clusters.remove(0)
}

/// The errors of these settings; empty if there are none.
pub(super) fn errors(settings: &[(&'static str, &str, &str)]) -> String {
    load(&sources(Some("b:1"), settings)).err().map(|errors| errors.to_string()).unwrap_or_default()
}

/// The configuration with these settings, which name each cluster.
pub(super) fn several(settings: &[(&'static str, &str, &str)]) -> Config {
    load(&sources(None, settings)).expect("valid settings")
}

/// The errors of these settings, which name each cluster; empty if there are none.
pub(super) fn several_errors(settings: &[(&'static str, &str, &str)]) -> String {
    load(&sources(None, settings)).err().map(|errors| errors.to_string()).unwrap_or_default()
}
