//! `[mirror:NAME]`: a mirror that copies the heartbeats of one cluster into another. `[mirror]` holds what all mirrors have in common.

use std::{collections::BTreeSet, time::Duration};

use super::{
    error::{Errors, Problem},
    heartbeat::Heartbeat,
    reader::Reader,
    settings::Settings,
};

/// The beginning of the name of each mirror's section.
const PREFIX: &str = "mirror:";

/// The keys that are the same for all mirrors, because one task looks after all mirrors to a cluster.
const COMMON: [&str; 2] = ["interval", "timeout"];

/// The shortest time from one cycle to the next.
const SHORTEST: Duration = Duration::from_secs(1);

/// `[mirror:NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// The name in the brackets.
    pub name: String,
    /// The name of the cluster that the heartbeats come from.
    pub source: String,
    /// The names under which the heartbeat topic of the source may be found in the target.
    pub topics: Vec<String>,
    /// Whether `topic` names the only one.
    pub is_chosen: bool,
    /// A heartbeat that is read in the target later than this is late.
    pub deadline: Duration,
    /// A heartbeat that is not in the target after this time is lost. Longer than `deadline`.
    pub lost_after: Duration,
    /// The offsets that the mirror translates for consumer groups. `None` if they are not checked, or if the source does not commit
    /// any: its `[coordinators] enabled` is false.
    pub checkpoints: Option<Checkpoints>,
    /// The time from one look at the log end to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
}

/// Where a mirror keeps the offsets that it translates, and which of them are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoints {
    /// The topic in the target.
    pub topic: String,
    /// The begin of the names of the groups for which the service commits offsets in the source. A number follows it.
    pub groups: String,
}

/// The mirrors whose target is one cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mirrors(pub Vec<Mirror>);

impl Mirrors {
    /// The interval of the mirrors, which is the same for all; five seconds without a mirror.
    pub fn interval(&self) -> Duration {
        self.0.first().map_or(Duration::from_secs(5), |mirror| mirror.interval)
    }

    /// The longest time of one cycle of all mirrors.
    pub fn timeout(&self) -> Duration {
        self.0.first().map_or(self.interval(), |mirror| mirror.timeout)
    }
}

/// What a mirror needs to know of a configured cluster.
pub(super) struct NamedCluster {
    /// The name of the cluster.
    pub(super) name: String,
    /// The heartbeats of the cluster.
    pub(super) heartbeat: Heartbeat,
    /// The begin of the names of the groups for which the service commits offsets. `None` if it commits none.
    pub(super) groups: Option<String>,
}

/// Every mirror of the settings, each with the name of the cluster that is its target.
pub(super) fn mirrors(
    settings: &Settings,
    clusters: &[NamedCluster],
    errors: &mut Errors,
) -> Vec<(String, Mirror)> {
    let names = settings.sections().filter_map(|(section, _)| section.strip_prefix(PREFIX));
    names.filter_map(|name| read(name, settings, clusters, errors)).collect()
}

/// Reads a mirror from what all mirrors have in common, with the mirror's own keys laid over it. Returns it with the name of its
/// target; `None` if a cluster is wrong.
fn read(
    name: &str,
    common: &Settings,
    clusters: &[NamedCluster],
    errors: &mut Errors,
) -> Option<(String, Mirror)> {
    let section = format!("{PREFIX}{name}");
    let settings = common.with_common(&section, "mirror", &[]);
    if name.trim().is_empty() {
        let message = "[mirror:] : a mirror needs a name: [mirror:NAME]".to_owned();
        errors.add(Problem { place: String::new(), message });
    }
    let mut reader = Reader::new(&section, &settings, errors);
    for key in COMMON.into_iter().filter(|key| common.get(&section, key).is_some()) {
        reader.problem(key, "is the same for all mirrors: set it in [mirror]");
    }
    let mirror = Mirror {
        name: name.to_owned(),
        source: reader.text("source").to_owned(),
        topics: Vec::new(),
        is_chosen: reader.optional("topic").is_some(),
        deadline: reader.duration("deadline"),
        lost_after: reader.duration("lost_after"),
        checkpoints: None,
        interval: reader.duration("interval"),
        timeout: reader.timeout(),
    };
    if mirror.lost_after <= mirror.deadline {
        reader.problem("lost_after", "must be longer than deadline");
    }
    if mirror.interval < SHORTEST {
        reader.problem("interval", "must be at least 1s");
    }
    if clusters.len() < 2 {
        reader.problem("source", "a mirror needs two clusters: configure each one as [cluster:NAME]");
        return None;
    }
    let source = cluster("source", &mut reader, clusters);
    let target = cluster("target", &mut reader, clusters);
    let (source, target) = (source?, target?);
    if source.name == target.name {
        reader
            .problem("target", "is the same cluster as source: heartbeats are mirrored into another cluster");
    }
    if !source.heartbeat.enabled {
        reader.problem("source", "sends no heartbeats: its [heartbeat] enabled is false");
    }
    let alias = reader.optional("alias").unwrap_or(&source.name);
    let topics = match reader.optional("topic") {
        Some(topic) => vec![topic.to_owned()],
        None => vec![format!("{alias}.{}", source.heartbeat.topic), source.heartbeat.topic.clone()],
    };
    let is_checked = reader.switch("check.offsets");
    let checkpoints = source.groups.clone().filter(|_| is_checked).map(|groups| {
        let topic = reader.optional("checkpoints").map(str::to_owned);
        Checkpoints { topic: topic.unwrap_or_else(|| format!("{alias}.checkpoints.internal")), groups }
    });
    Some((target.name.clone(), Mirror { topics, checkpoints, ..mirror }))
}

/// The cluster that a key names. `None` with an error if there is no such cluster.
fn cluster<'a>(key: &str, reader: &mut Reader<'_>, clusters: &'a [NamedCluster]) -> Option<&'a NamedCluster> {
    let name = reader.text(key);
    let found = clusters.iter().find(|known| known.name == name);
    if found.is_none() {
        let names: BTreeSet<&str> = clusters.iter().map(|known| known.name.as_str()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        if name.is_empty() {
            reader.problem(key, &format!("is missing: expected the name of a cluster: {names}"));
        } else {
            reader.expected(key, &format!("the name of a cluster ({names})"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{
        super::test_support::{config, errors, several, several_errors},
        *,
    };

    /// Two clusters, and a mirror from the first to the second with these keys.
    fn settings(keys: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str, &'static str)> {
        let clusters = [
            ("cluster:a", "bootstrap.servers", "a:1"),
            ("cluster:b", "bootstrap.servers", "b:1"),
            ("mirror:dr", "source", "a"),
            ("mirror:dr", "target", "b"),
        ];
        let keys = keys.iter().map(|(key, value)| ("mirror:dr", *key, *value));
        clusters.into_iter().chain(keys).collect()
    }

    fn mirror(keys: &[(&'static str, &'static str)]) -> Mirror {
        let clusters = several(&settings(keys)).clusters;
        let [a, b] = clusters.try_into().expect("two clusters");
        assert_eq!(a.mirrors, Mirrors::default());
        let [mirror] = b.mirrors.0.try_into().expect("one mirror");
        mirror
    }

    #[test]
    fn mirror_belongs_to_its_target_and_both_namings_are_tried() {
        let seconds = Duration::from_secs;
        let found = mirror(&[]);
        assert_eq!((found.name.as_str(), found.source.as_str(), found.is_chosen), ("dr", "a", false));
        assert_eq!(found.topics, ["a.kafka-heartbeat", "kafka-heartbeat"]);
        assert_eq!((found.deadline, found.lost_after), (seconds(30), seconds(300)));
        assert_eq!((found.interval, found.timeout), (seconds(5), seconds(4)));
        assert_eq!(mirror(&[("alias", "primary")]).topics, ["primary.kafka-heartbeat", "kafka-heartbeat"]);
        let checkpoints = |keys: &[_]| mirror(keys).checkpoints.map(|found| (found.topic, found.groups));
        let groups = || "kafka-heartbeat-coordinator-".to_owned();
        assert_eq!(checkpoints(&[]), Some(("a.checkpoints.internal".to_owned(), groups())));
        let set = [("alias", "primary"), ("checkpoints", "primary-checkpoints-internal")];
        assert_eq!(checkpoints(&set[..1]), Some(("primary.checkpoints.internal".to_owned(), groups())));
        assert_eq!(checkpoints(&set), Some(("primary-checkpoints-internal".to_owned(), groups())));
        assert_eq!(checkpoints(&[("check.offsets", "false")]), None);
        let chosen = mirror(&[("topic", "copy"), ("deadline", "5s")]);
        assert_eq!(
            (chosen.topics, chosen.is_chosen, chosen.deadline),
            (vec!["copy".to_owned()], true, seconds(5))
        );
    }

    #[test]
    fn mirror_without_two_different_known_clusters_is_refused() {
        for (key, value, words) in [
            ("source", "c", "[mirror:dr] source: expected the name of a cluster (a, b), found \"c\""),
            ("target", "", "[mirror:dr] target: is missing: expected the name of a cluster: a, b"),
            ("target", "a", "[mirror:dr] target: is the same cluster as source"),
            ("lost_after", "30s", "[mirror:dr] lost_after: must be longer than deadline"),
            ("interval", "2s", "[mirror:dr] interval: is the same for all mirrors: set it in [mirror]"),
        ] {
            let wrong = several_errors(&settings(&[(key, value)]));
            assert!(wrong.contains(words), "{key}: {wrong}");
        }
        let short = settings(&[]).into_iter().chain([("mirror", "interval", "10ms")]);
        let wrong = several_errors(&short.collect::<Vec<_>>());
        assert!(wrong.contains("interval: must be at least 1s"), "{wrong}");
        let silent = settings(&[]).into_iter().chain([("cluster:a", "heartbeat.enabled", "false")]);
        let wrong = several_errors(&silent.collect::<Vec<_>>());
        assert!(wrong.contains("[mirror:dr] source: sends no heartbeats"), "{wrong}");
        let wrong = errors(&[("mirror:dr", "source", "a"), ("mirror:dr", "target", "b")]);
        assert!(wrong.contains("[mirror:dr] source: a mirror needs two clusters"), "{wrong}");
        assert!(config(&[]).clusters[0].mirrors.0.is_empty());
    }
}
