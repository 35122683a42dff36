//! Settings for the tests.

use crate::config::{self, Filter, FlagSetting, Sources};

/// The Connect cluster `c` of a configuration with these further keys.
pub(super) fn connect(keys: &[(&str, &str)]) -> config::ConnectCluster {
    let set = |(key, value): &(&str, &str)| FlagSetting {
        section: "connect:c",
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "test",
    };
    let settings = std::iter::once(&("url", "http://a:1,http://b:1")).chain(keys).map(set).collect();
    let sources = Sources { bootstrap: Some("b:1".to_owned()), settings, ..Sources::default() };
    let mut config = config::load(&sources).expect("a configuration");
    config.clusters.remove(0).connect.clusters.remove(0)
}

/// The choice of connectors with these keys.
pub(super) fn filter(keys: &[(&str, &str)]) -> Filter {
    connect(keys).connectors
}
