//! `[connect]` and `[connect:NAME]`: the Kafka Connect clusters beside a cluster.

use std::time::Duration;

use super::{
    error::{Errors, Problem},
    filter::Filter,
    reader::Reader,
    service::Service,
    settings::{Setting, Settings},
};

/// The beginning of the name of each Connect cluster's section.
const PREFIX: &str = "connect:";

/// The keys that are the same for all Connect clusters of a cluster, because one task asks them all.
const COMMON: [&str; 3] = ["enabled", "interval", "timeout"];

/// `[connect]`, with the Connect clusters that use the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    /// Whether the Connect clusters are asked.
    pub enabled: bool,
    /// The time from one cycle to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
    /// Each `[connect:NAME]` of the cluster, ordered by name.
    pub clusters: Vec<ConnectCluster>,
}

/// `[connect:NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectCluster {
    /// The name in the brackets: the value of the label `connect`.
    pub name: String,
    /// The workers, the login and TLS.
    pub service: Service,
    /// The connectors that are reported.
    pub connectors: Filter,
    /// The largest number of connectors with series of their own.
    pub max_connectors: usize,
}

impl Connect {
    /// Reads the section, and the sections of the Connect clusters that use the cluster of this name.
    pub(super) fn read(cluster: &str, settings: &Settings, errors: &mut Errors) -> Self {
        let names = settings.sections().filter_map(|(section, _)| section.strip_prefix(PREFIX));
        let is_alone = !settings.sections().any(|(section, _)| section.starts_with("cluster:"));
        let is_used = |name: &&str| match named(settings, &format!("{PREFIX}{name}")) {
            Some(named) => named.value == cluster,
            None => is_alone,
        };
        let clusters = names.filter(is_used).map(|name| ConnectCluster::read(name, settings, errors));
        let clusters = clusters.collect();
        let mut section = Reader::new("connect", settings, errors);
        Self {
            enabled: section.switch("enabled"),
            interval: section.duration("interval"),
            timeout: section.timeout(),
            clusters,
        }
    }

    /// Whether a Connect cluster is asked.
    pub fn is_checked(&self) -> bool {
        self.enabled && !self.clusters.is_empty()
    }

    /// The same without the secrets that are read from files, because a running client reads these again.
    pub(super) fn without_file_secrets(mut self) -> Self {
        for cluster in &mut self.clusters {
            cluster.service = cluster.service.clone().without_file_secrets();
        }
        self
    }
}

impl ConnectCluster {
    /// Reads a Connect cluster from what all Connect clusters have in common, with its own keys laid over it.
    fn read(name: &str, common: &Settings, errors: &mut Errors) -> Self {
        let section = format!("{PREFIX}{name}");
        let settings = common.with_common(&section, "connect", &COMMON);
        let mut reader = Reader::new(&section, &settings, errors);
        for key in COMMON {
            if reader.setting(key).is_some() {
                reader.problem(key, "is the same for all Connect clusters: set it in [connect]");
            }
        }
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            let message = "[connect:] : a Connect cluster needs a name: [connect:NAME]".to_owned();
            reader.add(Problem { place: String::new(), message });
        }
        let service = Service::read(&mut reader, "url", "https://connect-1:8083");
        if reader.text("url").is_empty() {
            reader.problem("url", "is missing: write the addresses of the workers");
        }
        let connectors = Filter::read(&mut reader, "connectors");
        let max_connectors = reader.parsed("max.connectors", "a number");
        Self { name: name.to_owned(), service, connectors, max_connectors }
    }
}

/// The cluster that the section of a Connect cluster names, or `[connect]` for all of them. `None` if neither names one.
fn named<'a>(settings: &'a Settings, section: &str) -> Option<&'a Setting> {
    let of = |section| settings.get(section, "cluster").filter(|setting| !setting.value.is_empty());
    of(section).or_else(|| of("connect"))
}

/// Reports each Connect cluster that uses none of these clusters. `is_alone` is true if there is one cluster, which needs no name.
pub(super) fn check(names: &[&str], is_alone: bool, settings: &Settings, errors: &mut Errors) {
    let sections =
        settings.sections().filter_map(|(section, _)| Some((section, section.strip_prefix(PREFIX)?)));
    for (section, _) in sections {
        let named = named(settings, section);
        let name = named.map_or("", |named| named.value.as_str());
        if names.contains(&name) || (is_alone && name.is_empty()) {
            continue;
        }
        let setting = named.or_else(|| settings.section(section).next().map(|(_, setting)| setting));
        let place = setting.map(|setting| setting.place.to_string()).unwrap_or_default();
        let message = if name.is_empty() {
            format!("[{section}] cluster: is missing: write the name of the cluster that the workers use")
        } else {
            format!("[{section}] cluster: no cluster has the name {name:?}")
        };
        errors.add(Problem { place, message });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        service::Login,
        test_support::{cluster, config, errors},
    };

    const URL: (&str, &str, &str) = ("connect:payments", "url", "http://a:8083, https://b/api/");

    #[test]
    fn connect_clusters_have_what_they_share_and_their_own_keys() {
        assert!(!cluster(&[]).connect.is_checked());
        let set = [
            URL,
            ("connect", "basic.auth.user.info", "me:hush-hush"),
            ("connect:orders", "url", "http://c"),
            ("connect:orders", "basic.auth.user.info", "you:hush-hush"),
            ("connect:orders", "connectors.exclude", "test-.*"),
        ];
        let connect = cluster(&set).connect;
        assert!(connect.is_checked());
        let [orders, payments] = connect.clusters.as_slice() else { panic!("two: {connect:?}") };
        assert_eq!([&*orders.name, &*payments.name], ["orders", "payments"]);
        let user = |login| match login {
            Login::Basic(basic) => basic.username,
            other => panic!("{other:?}"),
        };
        assert_eq!([user(orders.service.login()), user(payments.service.login())], ["you", "me"]);
        assert!(!orders.connectors.covers("test-1") && payments.connectors.covers("test-1"));
        assert_eq!(payments.service.nodes.len(), 2);
        assert!(!format!("{connect:?}").contains("hush"));
        let off = cluster(&[URL, ("connect", "enabled", "false")]).connect;
        assert!(!off.is_checked());
    }

    #[test]
    fn connect_cluster_belongs_to_the_cluster_that_it_names() {
        let clusters =
            [("cluster:eu", "bootstrap.servers", "e:1"), ("cluster:us", "bootstrap.servers", "u:1")];
        let set = |more: &[(&'static str, &'static str, &'static str)]| [&clusters, more].concat();
        let no_flag = |settings: &[(&'static str, &str, &str)]| {
            errors(settings).replace("cannot be used with [cluster:NAME]", "")
        };
        let named = no_flag(&set(&[URL, ("connect:payments", "cluster", "us")]));
        assert!(!named.contains("[connect:"), "{named}");
        let unknown = no_flag(&set(&[URL, ("connect:payments", "cluster", "asia")]));
        assert!(
            unknown.contains("[connect:payments] cluster: no cluster has the name \"asia\""),
            "{unknown}"
        );
        let missing = no_flag(&set(&[URL]));
        assert!(missing.contains("[connect:payments] cluster: is missing"), "{missing}");
        let other = errors(&[URL, ("connect:payments", "cluster", "asia")]);
        assert!(other.contains("no cluster has the name \"asia\""), "{other}");
        let alone = [URL, ("connect:payments", "cluster", "k"), ("kafka", "name", "k")];
        assert_eq!(config(&alone).clusters[0].connect.clusters.len(), 1);
    }

    #[test]
    fn key_that_cannot_be_used_is_an_error_with_its_section() {
        let table = [
            (
                ("connect:x", "url", "connect:8083"),
                "[connect:x] url: expected addresses such as https://connect-1",
            ),
            (("connect:x", "max.connectors", "many"), "[connect:x] url: is missing"),
            (("connect:payments", "interval", "5s"), "interval: is the same for all Connect clusters"),
            (
                ("connect:payments", "connectors.include", "("),
                "connectors.include: expected a regular expression",
            ),
            (("connect:payments", "max.connectors", "many"), "max.connectors: expected a number"),
            (("connect", "interval", "10ms"), "[connect] interval must be at least 1s"),
            (("connect:payments", "url", "http://me:hush-hush@a"), "set basic.auth.credentials.source = URL"),
        ];
        for (setting, words) in table {
            let settings = if setting.1 == "url" { vec![setting] } else { vec![URL, setting] };
            let found = errors(&settings);
            assert!(found.contains(words) && !found.contains("hush"), "{words}: {found}");
        }
    }
}
