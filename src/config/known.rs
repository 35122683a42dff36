//! The sections and keys that exist: those of `config.example.ini`, in its order.

use super::{ini, secret};

/// Every key and its default.
pub(super) const EXAMPLE: &str = include_str!("../../config.example.ini");

/// Sections of client properties, whose keys librdkafka checks.
pub(super) const CLIENT_SECTIONS: [&str; 3] = ["kafka", "producer", "consumer"];

/// The sections and keys that exist.
pub(super) struct Known(Vec<KnownSection>);

struct KnownSection {
    name: String,
    keys: Vec<String>,
}

impl Known {
    /// The keys of the parsed example file.
    pub(super) fn from_example(example: &ini::Document) -> Self {
        let keys = |name: &String| {
            let entries = example.entries.iter().filter(|entry| entry.section == *name);
            entries.map(|entry| entry.key.clone()).collect()
        };
        let section = |name: &String| KnownSection { name: name.clone(), keys: keys(name) };
        Self(example.sections.iter().map(section).collect())
    }

    /// Whether a section takes keys that are not in the example file: client properties and constant labels have any
    /// name.
    fn is_open(section: &str) -> bool {
        let has_properties = section.starts_with("cluster:") || section.starts_with("module:");
        CLIENT_SECTIONS.contains(&section) || section == "labels" || has_properties
    }

    /// The names of the sections in the order of the example file.
    pub(super) fn sections(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|section| section.name.as_str())
    }

    /// The keys of a section in the order of the example file; none for an unknown section. A section of one Connect cluster or of
    /// one mirror has the keys of the section for all.
    pub(super) fn keys(&self, section: &str) -> &[String] {
        let of_all = |all: &&str| section.strip_prefix(all).is_some_and(|rest| rest.starts_with(':'));
        let section = ["connect", "mirror"].into_iter().find(of_all).unwrap_or(section);
        self.0.iter().find(|known| known.name == section).map_or(&[], |known| &known.keys)
    }

    /// The keys of a section, and for each secret key the same key with `.file` appended, which names a file that
    /// holds the secret.
    pub(super) fn keys_and_files(&self, section: &str) -> impl Iterator<Item = String> {
        self.keys(section).iter().flat_map(|key| {
            let file = secret::is_secret(key).then(|| format!("{key}.file"));
            [key.clone()].into_iter().chain(file)
        })
    }

    /// What is wrong with a section and key; `None` if the service knows them.
    pub(super) fn problem(&self, section: &str, key: &str) -> Option<String> {
        if Self::is_open(section) {
            return None;
        }
        if self.keys(section).is_empty() && !self.sections().any(|known| known == section) {
            return Some(format!("unknown section{}", did_you_mean(section, self.sections())));
        }
        let keys: Vec<String> = self.keys_and_files(section).collect();
        if keys.iter().any(|known| known == key) {
            return None;
        }
        Some(format!("unknown key{}", did_you_mean(key, &keys)))
    }
}

/// `: did you mean X?` with the known word that is nearest to a word; empty if none is near.
pub fn did_you_mean<'a, S: AsRef<str> + ?Sized + 'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a S>,
) -> String {
    let known = known.into_iter().map(AsRef::as_ref);
    let near = known.map(|known| (strsim::damerau_levenshtein(word, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 1 + word.len() / 4 => format!(": did you mean {known}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_has_no_bad_line() {
        assert_eq!(ini::parse(EXAMPLE).bad_lines, []);
    }
}
