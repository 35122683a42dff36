//! Configurations for the tests of the sections.

use super::{Cluster, Config, FlagSetting, Sources, load};

fn sources(settings: &[(&'static str, &str, &str)]) -> Sources {
    let set = |(section, key, value): &(&'static str, &str, &str)| FlagSetting {
        section,
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "test",
    };
    let settings = settings.iter().map(set).collect();
    Sources { bootstrap: Some("b:1".to_owned()), settings, ..Sources::default() }
}

/// The configuration with these settings: section, key, value.
pub(super) fn config(settings: &[(&'static str, &str, &str)]) -> Config {
    load(&sources(settings)).expect("valid settings")
}

/// The only cluster of the configuration with these settings.
pub(super) fn cluster(settings: &[(&'static str, &str, &str)]) -> Cluster {
    config(settings).clusters.remove(0)
}

/// The errors of these settings; empty if there are none.
pub(super) fn errors(settings: &[(&'static str, &str, &str)]) -> String {
    load(&sources(settings)).err().map(|errors| errors.to_string()).unwrap_or_default()
}
