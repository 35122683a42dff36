//! Lists of partitions and brokers in words, of bounded length.

/// So many partitions or brokers are named in one list. The others are counted.
pub(super) const NAMED: usize = 5;

/// The first of these things and how many more there are; absent if there is none: `partitions 3 and 7`.
pub(super) fn list<T: ToString>(thing: &str, items: &[T]) -> Option<String> {
    let mut named: Vec<String> = items.iter().take(NAMED).map(ToString::to_string).collect();
    let more = items.len().saturating_sub(NAMED);
    let last = if more > 0 { format!("{more} more") } else { named.pop()? };
    if named.is_empty() {
        return Some(format!("{thing} {last}"));
    }
    Some(format!("{thing}s {} and {last}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_names_five_things_and_counts_the_others() {
        let list = |count: i32| list("partition", &Vec::from_iter(0..count));
        assert_eq!(list(0), None);
        for (count, words) in [
            (1, "partition 0"),
            (2, "partitions 0 and 1"),
            (5, "partitions 0, 1, 2, 3 and 4"),
            (6, "partitions 0, 1, 2, 3, 4 and 1 more"),
            (8, "partitions 0, 1, 2, 3, 4 and 3 more"),
        ] {
            assert_eq!(list(count).as_deref(), Some(words));
        }
    }
}
