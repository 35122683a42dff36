//! What a family is called over OTLP.
//!
//! By one rule, so that the translation of Prometheus and of the collector gives back the name on `/metrics`: the
//! first underscore becomes the dot of a namespace, and the unit and `_total` are left to the translation (the unit
//! stays where the name without it is another family's). What the collector's own Kafka receiver charts has the
//! receiver's name.

use crate::catalog::{self, Description, Kind};

/// Families with the name that the collector's Kafka receiver has for them; there, partitions are numbers.
const RECEIVER: [(&str, &str, &str); 6] = [
    ("kafka_partition_latest_offset", "kafka.partition.current_offset", "{offset}"),
    ("kafka_partition_earliest_offset", "kafka.partition.oldest_offset", "{offset}"),
    ("kafka_consumergroup_group_offset", "kafka.consumer_group.offset", "{offset}"),
    ("kafka_consumergroup_group_lag", "kafka.consumer_group.lag", "{message}"),
    ("kafka_consumergroup_group_topic_sum_lag", "kafka.consumer_group.lag_sum", "{message}"),
    ("kafka_topic_partition_count", "kafka.topic.partitions", "{partition}"),
];

/// Units that the translation writes out, as UCUM has them.
const UNITS: [(&str, &str); 2] = [("_seconds", "s"), ("_bytes", "By")];

/// A family as OTLP names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Of the instrument.
    pub name: String,
    /// In UCUM; empty if there is none to tell.
    pub unit: &'static str,
    /// The receiver's: the attribute `partition` is a number.
    pub receiver: bool,
}

impl Name {
    /// Of this family.
    pub fn of(family: &Description) -> Self {
        if let Some((_, name, unit)) = RECEIVER.iter().find(|(ours, ..)| *ours == family.name) {
            return Self { name: (*name).to_owned(), unit, receiver: true };
        }
        let name = match family.kind {
            Kind::Counter => family.name.trim_end_matches("_total"),
            _ => family.name,
        };
        let unit = UNITS.iter().find(|(suffix, _)| name.ends_with(suffix));
        let (name, unit) = unit.map_or((name, ""), |(suffix, unit)| {
            let short = name.trim_end_matches(suffix);
            let taken = catalog::all().any(|other| other.name == short);
            (if taken { name } else { short }, unit)
        });
        Self { name: name.replacen('_', ".", 1), unit, receiver: false }
    }

    /// What the default translation to Prometheus makes of it.
    pub fn translated(&self, kind: Kind) -> String {
        let unit = UNITS.iter().find(|(_, unit)| *unit == self.unit).map_or("", |(suffix, _)| suffix);
        let unit = if self.name.ends_with(unit) { "" } else { unit };
        let total = if kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_translation_gives_back_the_name_or_the_receivers() {
        let receivers = catalog::all().filter(|family| {
            let name = Name::of(family);
            assert_eq!(name.translated(family.kind) == family.name, !name.receiver, "{}", family.name);
            name.receiver
        });
        assert_eq!(receivers.count(), RECEIVER.len());
    }

    #[test]
    fn no_two_families_share_a_name() {
        let names: std::collections::BTreeSet<_> =
            catalog::all().map(|family| Name::of(family).name).collect();
        assert_eq!(names.len(), catalog::all().count());
    }
}
