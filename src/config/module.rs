//! `[module:NAME]`: which brokers `GET /probe` may check, and how. `[module]` holds what all modules have in common.

use std::time::Duration;

use regex::Regex;

use super::{
    error::{Errors, Problem},
    kafka::Properties,
    msk_iam,
    reader::Reader,
    secret_file::SecretFiles,
    settings::Settings,
};

/// The beginning of the name of each module's section.
const PREFIX: &str = "module:";

/// The keys of a module that are no client properties.
const OWN_KEYS: [&str; 3] = ["targets", "timeout", "brokers"];

/// The client properties that name brokers. A module takes its target from each request.
const BOOTSTRAP: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];

/// What is wrong with a module without targets.
const MISSING: &str = "is missing: write a regular expression for the addresses that may be probed, such as broker-\\d+\\.example\\.com:9092";

/// The longest `timeout` of a module. It is also the longest usual time limit of a scrape.
const LONGEST: Duration = Duration::from_secs(60);

/// `[module:NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// The name in the brackets.
    pub name: String,
    /// The addresses that may be contacted.
    pub targets: Targets,
    /// The longest time of one probe, at most 60 s.
    pub timeout: Duration,
    /// Which brokers a probe checks.
    pub brokers: Brokers,
    /// The properties of the Kafka client, without bootstrap servers.
    pub kafka: Properties,
    /// The files of the secrets among the properties.
    pub secrets: SecretFiles,
}

/// Which brokers a probe checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brokers {
    /// The target alone.
    Bootstrap,
    /// The target, and each broker that its metadata list.
    All,
}

/// The addresses that a module may contact. Without an expression it may contact none.
#[derive(Debug, Clone, Default)]
pub struct Targets(Option<Regex>);

impl Targets {
    /// Whether an address, written `host:port`, may be contacted. Upper and lower case are the same.
    pub fn allow(&self, address: &str) -> bool {
        self.0.as_ref().is_some_and(|expression| expression.is_match(address))
    }

    /// Reads the expression. Empty if there is none, or if it is wrong.
    fn read(section: &mut Reader<'_>) -> Self {
        let Some(text) = section.optional("targets") else {
            return Self::default();
        };
        let whole = Regex::new(text).and_then(|_| Regex::new(&format!("(?i)^(?:{text})$"))).ok();
        if whole.is_none() {
            section.expected("targets", "a regular expression for host:port");
        }
        Self(whole)
    }
}

impl PartialEq for Targets {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().map(Regex::as_str) == other.0.as_ref().map(Regex::as_str)
    }
}

/// Every module of the settings, ordered by name.
pub(super) fn modules(settings: &Settings, errors: &mut Errors) -> Vec<Module> {
    let names = settings.sections().filter_map(|(section, _)| section.strip_prefix(PREFIX));
    names.map(|name| Module::read(name, settings, errors)).collect()
}

impl Module {
    /// Reads a module from what all modules have in common, with the module's own keys laid over it.
    fn read(name: &str, common: &Settings, errors: &mut Errors) -> Self {
        let section = format!("{PREFIX}{name}");
        let settings = common.with_common(&section, "module", &[]);
        if name.trim().is_empty() {
            let message = "[module:] : a module needs a name: [module:NAME]".to_owned();
            errors.add(Problem { place: String::new(), message });
        }
        let mut reader = Reader::new(&section, &settings, errors);
        for key in BOOTSTRAP {
            if reader.setting(key).is_some() {
                let words =
                    "a module has no brokers of its own: each request names its target; remove the key";
                reader.problem(key, words);
            }
        }
        let targets = Targets::read(&mut reader);
        if targets.0.is_none() && reader.text("targets").is_empty() {
            let first = common.section(&section).next();
            let place = first.map(|(_, setting)| setting.place.to_string()).unwrap_or_default();
            let message = format!("[{section}] targets: {MISSING}");
            reader.add(Problem { place, message });
        }
        let timeout = reader.duration("timeout");
        if timeout > LONGEST {
            reader.expected("timeout", "a duration of at most 60s");
        }
        let brokers = reader.choice("brokers", ("bootstrap", Brokers::Bootstrap), ("all", Brokers::All));
        let mut kafka = Properties::read(&section, &settings);
        kafka.0.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
        msk_iam::complete(&mut kafka);
        let secrets = SecretFiles::of(&section, &settings);
        Self { name: name.to_owned(), targets, timeout, brokers, kafka, secrets }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::test_support::{config, errors},
        *,
    };

    const TARGETS: (&str, &str, &str) = ("module:kafka", "targets", r"broker-\d+\.example\.com:9092");

    #[test]
    fn module_has_the_defaults_and_its_own_client_properties() {
        let set = [TARGETS, ("module:kafka", "security.protocol", "ssl"), ("module", "timeout", "7s")];
        let [module] = config(&set).modules.try_into().expect("one module");
        assert_eq!((module.name.as_str(), module.timeout), ("kafka", Duration::from_secs(7)));
        assert_eq!(module.brokers, Brokers::Bootstrap);
        assert_eq!(Vec::from_iter(module.kafka.0.keys()), ["security.protocol"]);
        let set = [TARGETS, ("module:kafka", "timeout", "60s"), ("module:kafka", "brokers", "all")];
        let [module] = config(&set).modules.try_into().expect("one module");
        assert_eq!((module.brokers, module.timeout), (Brokers::All, Duration::from_secs(60)));
        assert!(config(&[]).modules.is_empty(), "without a module nothing can be probed");
    }

    #[test]
    fn address_is_allowed_if_the_expression_matches_all_of_it() {
        let targets = |expression: &str| {
            let set = [("module:kafka", "targets", expression)];
            config(&set).modules.remove(0).targets
        };
        let numbered = targets(TARGETS.2);
        assert!(numbered.allow("broker-12.example.com:9092") && numbered.allow("BROKER-1.example.com:9092"));
        for other in
            ["broker-1.example.com:9093", "xbroker-1.example.com:9092", "broker-1.example.com:9092\n", ""]
        {
            assert!(!numbered.allow(other), "{other:?}");
        }
        let either = targets("a:1|b:2");
        assert!(either.allow("b:2") && !either.allow("b:23") && !either.allow("xa:1"));
        assert!(!Targets::default().allow("a:1"));
    }

    #[test]
    fn module_with_wrong_keys_is_refused_with_the_name_of_each_key() {
        let wrong = errors(&[("module:x", "timeout", "5s")]);
        assert!(wrong.contains("[module:x] targets: is missing: write a regular expression"), "{wrong}");
        for (key, value, words) in [
            ("targets", "a)|(b", "expected a regular expression for host:port"),
            ("timeout", "61s", "expected a duration of at most 60s, found \"61s\""),
            ("timeout", "5", "expected a duration such as"),
            ("brokers", "some", "expected bootstrap or all, found \"some\""),
            ("bootstrap.servers", "a:1", "each request names its target"),
        ] {
            let set = [("module:x", "targets", "a:1"), ("module:x", key, value)];
            let wrong = errors(&set);
            assert!(
                wrong.contains(&format!("[module:x] {key}: ")) && wrong.contains(words),
                "{key}: {wrong}"
            );
        }
    }
}
