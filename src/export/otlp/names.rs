//! The names of families over OTLP.
//!
//! The translation of Prometheus and of the collector gives back the name on `/metrics`, by one rule: the first underscore
//! becomes the dot of a namespace, and the unit and `_total` are left to the translation. The unit stays where the name
//! without it is the name of another family. Families that the Kafka receiver of the collector has, too, have its names.

use crate::catalog::{self, Description, Kind};

/// Families that have the name of the collector's Kafka receiver. In these, the attribute `partition` is a number.
const RECEIVER: [(&str, &str, &str); 6] = [
    ("kafka_partition_latest_offset", "kafka.partition.current_offset", "{offset}"),
    ("kafka_partition_earliest_offset", "kafka.partition.oldest_offset", "{offset}"),
    ("kafka_consumergroup_group_offset", "kafka.consumer_group.offset", "{offset}"),
    ("kafka_consumergroup_group_lag", "kafka.consumer_group.lag", "{message}"),
    ("kafka_consumergroup_group_topic_sum_lag", "kafka.consumer_group.lag_sum", "{message}"),
    ("kafka_topic_partition_count", "kafka.topic.partitions", "{partition}"),
];

/// Units that the translation appends to a name, in UCUM.
const UNITS: [(&str, &str); 2] = [("_seconds", "s"), ("_bytes", "By")];

/// A family as OTLP names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name of the instrument.
    pub name: String,
    /// The unit in UCUM; empty for a number without a unit.
    pub unit: &'static str,
    /// Whether it is the name of the Kafka receiver, in which the attribute `partition` is a number.
    pub receiver: bool,
}

impl Name {
    /// The name of this family.
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

    /// The name in Prometheus after the default translation.
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
    fn translation_gives_back_the_name_or_the_name_of_the_receiver() {
        let receivers = catalog::all().filter(|family| {
            let name = Name::of(family);
            assert_eq!(name.translated(family.kind) == family.name, !name.receiver, "{}", family.name);
            name.receiver
        });
        assert_eq!(receivers.count(), RECEIVER.len());
    }

    #[test]
    fn names_of_families_are_distinct() {
        let names: std::collections::BTreeSet<_> =
            catalog::all().map(|family| Name::of(family).name).collect();
        assert_eq!(names.len(), catalog::all().count());
    }
}
