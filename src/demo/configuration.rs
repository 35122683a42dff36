//! The configuration of a service that watches the embedded cluster.

use std::collections::BTreeMap;

use super::{mock::TOPIC, traffic};
use crate::config::{self, Config, Errors, FlagSetting, Sources};

/// A configuration for an embedded cluster. The environment decides on the address of the HTTP server unless `listen` is
/// given. The address does not depend on `bootstrap`, so that the port can be bound before the cluster starts.
///
/// # Errors
/// An address or a variable that cannot be understood.
pub fn configuration(
    bootstrap: &str,
    listen: Option<&str>,
    env: BTreeMap<String, String>,
) -> Result<Config, Errors> {
    let set = |section, key: &str, value: &str| FlagSetting {
        section,
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "demo",
    };
    config::load(&Sources {
        bootstrap: Some(bootstrap.to_owned()),
        listen: listen.map(str::to_owned),
        env,
        settings: vec![
            set("kafka", "name", "demo"),
            set("heartbeat", "topic", TOPIC),
            set("heartbeat", "interval", "500ms"),
            set("heartbeat", "deadline", "2s"),
            set("heartbeat", "horizon", "20s"),
            set("consumer", "fetch.wait.max.ms", "5"),
            set("connectivity", "interval", "3s"),
            // The embedded cluster has no topic of committed offsets.
            set("coordinators", "enabled", "false"),
            set("metadata", "interval", "3s"),
            set("metadata", "timeout", "2s"),
            set("lag", "interval", "5s"),
            set("lag", "groups", &traffic::GROUPS.join(" ")),
            set("lag", "topics.exclude", TOPIC),
            set("freshness", "interval", "5s"),
            set("freshness", "topics.exclude", TOPIC),
            set("shutdown", "grace", "5s"),
        ],
        ..Sources::default()
    })
}
