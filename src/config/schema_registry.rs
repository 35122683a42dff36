//! `[schema_registry]`: the Schema Registry beside the cluster.

use std::time::Duration;

use super::{reader::Reader, service::Service};

/// `[schema_registry]`
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaRegistry {
    /// Whether the registry is checked. It is checked only if its address is known.
    pub enabled: bool,
    /// The nodes of the registry, the login and TLS.
    pub service: Service,
    /// The time from one cycle to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
    /// Whether the compatibility level of `subject` is changed in each cycle and read again.
    pub write: bool,
    /// The subject whose compatibility level is changed.
    pub subject: String,
}

impl SchemaRegistry {
    pub(super) fn read(mut registry: Reader<'_>) -> Self {
        let subject = registry.text("subject").to_owned();
        if subject.is_empty() || subject.chars().any(char::is_control) {
            registry.expected("subject", "the name of a subject");
        }
        Self {
            enabled: registry.switch("enabled"),
            service: Service::read(&mut registry, "schema.registry.url", "https://registry-1:8081"),
            interval: registry.duration("interval"),
            timeout: registry.timeout(),
            write: registry.switch("write"),
            subject,
        }
    }

    /// Whether the registry is checked.
    pub fn is_checked(&self) -> bool {
        self.enabled && !self.service.nodes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        service::Login,
        test_support::{cluster, errors},
    };

    const URL: (&str, &str, &str) =
        ("schema_registry", "schema.registry.url", "http://a:8081, https://b/api/,http://a:8081");

    #[test]
    fn registry_without_an_address_is_not_checked() {
        assert!(!cluster(&[]).schema_registry.is_checked());
        let registry = cluster(&[URL]).schema_registry;
        assert!(registry.is_checked() && !registry.write);
        let nodes: Vec<_> = registry.service.nodes.iter().map(|url| url.as_str()).collect();
        assert_eq!(nodes, ["http://a:8081/", "https://b/api/"], "each node once");
        assert_eq!(registry.service.login(), Login::None);
        assert!(!cluster(&[URL, ("schema_registry", "enabled", "false")]).schema_registry.is_checked());
    }

    #[test]
    fn login_comes_from_the_key_that_confluent_names_and_is_never_shown() {
        let user = ("schema_registry", "basic.auth.user.info", "key:hush:hush");
        let registry = cluster(&[URL, user]).schema_registry;
        let Login::Basic(basic) = registry.service.login() else { panic!("a name and a password") };
        assert_eq!((&*basic.username, &*basic.password), ("key", "hush:hush"));
        assert!(!format!("{registry:?}").contains("hush"));
        let token = ("schema_registry", "bearer.auth.token", "hush-hush");
        let registry = cluster(&[URL, token]).schema_registry;
        assert!(matches!(registry.service.login(), Login::Bearer(token) if token.reveal() == "hush-hush"));
        let in_url = ("schema_registry", "schema.registry.url", "http://me:h%75sh@a:8081");
        let source = ("schema_registry", "basic.auth.credentials.source", "URL");
        let registry = cluster(&[in_url, source]).schema_registry;
        let Login::Basic(basic) = registry.service.login() else { panic!("a name and a password") };
        assert_eq!((&*basic.username, &*basic.password), ("me", "hush"));
        assert_eq!(registry.service.nodes[0].as_str(), "http://a:8081/");
    }

    #[test]
    fn address_or_login_that_cannot_be_used_is_an_error_without_its_secret() {
        let set = |key, value| [("schema_registry", key, value), URL];
        let table = [
            (set("schema.registry.url", "registry:8081"), "expected addresses such as"),
            (set("schema.registry.url", "http://me:hush-hush@a"), "set basic.auth.credentials.source = URL"),
            (set("basic.auth.credentials.source", "SASL_INHERIT"), "expected USER_INFO or URL"),
            (set("basic.auth.credentials.source", "USER_INFO"), "expected NAME:PASSWORD"),
            (set("basic.auth.user.info", "hush-hush"), "expected NAME:PASSWORD"),
            (set("bearer.auth.credentials.source", "STATIC_TOKEN"), "bearer.auth.token: is missing"),
            (set("subject", ""), "expected the name of a subject"),
            (set("interval", "10ms"), "[schema_registry] interval must be at least 1s"),
        ];
        for (settings, words) in table {
            let settings = if settings[0].1 == URL.1 { &settings[..1] } else { &settings[..] };
            let found = errors(settings);
            assert!(found.contains(words) && !found.contains("hush"), "{words}: {found}");
        }
    }
}
