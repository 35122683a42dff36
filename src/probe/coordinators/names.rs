//! The names of the checks: a group or a transactional id for each partition of the topic that the coordinators lead, found by
//! Kafka's hash.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

/// The step from one tried number to the next. With the numbers 0, 1, 2, … the hashes of long runs of names differ by less
/// than 31 in many cases, and some numbers of partitions (multiples of 31) would never be covered. A large prime spreads them.
const STEP: u64 = 104_729;

/// The largest number of names that are tried for each partition. Random hashes need about `ln(partitions)` names for each
/// partition, which is 9 for ten thousand partitions, and a few more for the last partition.
const TRIES_PER_PARTITION: u64 = 200;

/// The partition of `__consumer_offsets` that keeps the offsets of a group, of this many partitions, or the partition of
/// `__transaction_state` that keeps the transactions of a transactional id.
///
/// Source: `GroupCoordinatorService.partitionFor` and `TransactionStateManager.partitionFor` of Kafka, which both are
/// `Utils.abs(name.hashCode()) % partitions`. `Utils.abs` is the absolute value, and 0 for the smallest integer.
pub fn partition_of(name: &str, partitions: i32) -> i32 {
    partition_of_hash(java_hash(0, name), partitions)
}

/// One name for each of so many partitions: a name that begins with `prefix`, ends with a number, and hashes to
/// the partition. A partition for which the bounded search finds no name is absent.
pub fn names(prefix: &str, partitions: i32) -> BTreeMap<i32, Arc<str>> {
    let mut found = BTreeMap::new();
    let wanted = usize::try_from(partitions).unwrap_or(0);
    let begin = java_hash(0, prefix);
    for number in (0..TRIES_PER_PARTITION * wanted as u64).map(|tried| tried * STEP) {
        if found.len() == wanted {
            break;
        }
        let digits = number.to_string();
        let partition = partition_of_hash(java_hash(begin, &digits), partitions);
        if let Entry::Vacant(free) = found.entry(partition) {
            free.insert(format!("{prefix}{digits}").into());
        }
    }
    found
}

/// Java's `String.hashCode` of a text that begins with a text of hash `begin` and goes on with `text`.
fn java_hash(begin: i32, text: &str) -> i32 {
    text.encode_utf16().fold(begin, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

fn partition_of_hash(hash: i32, partitions: i32) -> i32 {
    hash.checked_abs().unwrap_or(0) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, their `hashCode`, and their partition of 50 and of 31 by `Utils.abs`, as a Java virtual machine with the classes
    /// of Kafka 4.1.0 printed them.
    const BY_JAVA: [(&str, i32, [i32; 2]); 11] = [
        ("", 0, [0, 0]),
        ("a", 97, [47, 4]),
        ("kafka-heartbeat", -893_545_707, [7, 2]),
        ("kafka-heartbeat-coordinator-0", -1_532_121_061, [11, 1]),
        ("kafka-heartbeat-coordinator-104729", -958_078_562, [12, 2]),
        ("kafka-heartbeat-coordinator-1361477", 451_893_314, [14, 21]),
        ("polygenelubricants", i32::MIN, [0, 0]),
        ("é-Gruppe", 1_477_422_783, [33, 14]),
        ("💥", 1_772_552, [2, 3]),
        ("orders-consumer", -1_204_742_690, [40, 13]),
        ("new\nline", 1_298_593_118, [18, 18]),
    ];

    #[test]
    fn group_has_the_hash_and_the_partition_that_java_computes() {
        for (group, hash, partitions) in BY_JAVA {
            assert_eq!(java_hash(0, group), hash, "{group:?}");
            assert_eq!([50, 31].map(|count| partition_of(group, count)), partitions, "{group:?}");
        }
    }

    #[test]
    fn every_partition_has_a_group_that_hashes_to_it() {
        for count in [1, 2, 12, 31, 50, 62, 124, 155, 310, 961, 1000, 10_000] {
            let groups = names("kafka-heartbeat-coordinator-", count);
            assert!(groups.keys().copied().eq(0..count), "{count} partitions");
            for (partition, group) in &groups {
                assert_eq!(partition_of(group, count), *partition, "{group}");
                let number = group.strip_prefix("kafka-heartbeat-coordinator-").expect("the prefix");
                assert!(number.bytes().all(|digit| digit.is_ascii_digit()), "{group}");
            }
        }
    }

    #[test]
    fn number_of_partitions_that_is_not_positive_has_no_groups() {
        assert!(names("p-", 0).is_empty() && names("p-", -1).is_empty());
    }
}
