//! The subjects of a node, and those that a node lacks.

use std::{
    collections::BTreeSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

/// The subjects of a node: a hash of each name, because names may be long and many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subjects(BTreeSet<u64>);

impl Subjects {
    /// The number of subjects.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The subjects that one of these nodes has, for each node without its own.
    pub(super) fn missing<'a>(nodes: impl IntoIterator<Item = &'a Self> + Clone) -> Vec<BTreeSet<u64>> {
        let all: BTreeSet<u64> = nodes.clone().into_iter().flat_map(|node| &node.0).copied().collect();
        nodes.into_iter().map(|node| all.difference(&node.0).copied().collect()).collect()
    }
}

impl<'de> Deserialize<'de> for Subjects {
    /// Reads a list of names without keeping the names.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Subjects;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Subjects, A::Error> {
                let mut names = BTreeSet::new();
                while let Some(Hashed(name)) = list.next_element()? {
                    names.insert(name);
                }
                Ok(Subjects(names))
            }
        }
        deserializer.deserialize_seq(Names)
    }
}

/// The hash of a name.
struct Hashed(u64);

impl<'de> Deserialize<'de> for Hashed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Hashed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Hashed, E> {
                let mut hasher = DefaultHasher::new();
                name.hash(&mut hasher);
                Ok(Hashed(hasher.finish()))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(json: &str) -> Subjects {
        serde_json::from_str(json).expect("a list of names")
    }

    #[test]
    fn subject_that_one_node_has_is_missing_at_the_others() {
        let nodes = [r#"["a","b\n"]"#, r#"["b\n","a","c"]"#, r#"["c"]"#].map(subjects);
        assert_eq!(nodes.each_ref().map(Subjects::count), [2, 3, 1]);
        let missing: Vec<_> = Subjects::missing(&nodes).iter().map(BTreeSet::len).collect();
        assert_eq!(missing, [1, 0, 2]);
    }

    #[test]
    fn list_of_anything_else_is_refused() {
        for wrong in [r#"{"a":1}"#, "[1]", "[[\"a\"]]", "null"] {
            assert!(serde_json::from_str::<Subjects>(wrong).is_err(), "{wrong}");
        }
    }
}
