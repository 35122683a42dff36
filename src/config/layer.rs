//! One source of settings: a file, the environment or the command line, with the place of every value.
//!
//! A layer knows which keys exist (they are those of the example file) and reports what it does not know;
//! what it does know it hands to the `config` crate, which lays layer over layer.

use std::{collections::BTreeMap, fs};

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::{
    error::{Errors, Problem},
    ini, legacy, secret,
};

/// Sections whose keys are librdkafka's, checked by librdkafka.
pub(super) const CLIENT_SECTIONS: [&str; 3] = ["kafka", "producer", "consumer"];

/// Beginning of the environment's names.
const PREFIX: &str = "KAFKA_HEARTBEAT__";

/// Where a value comes from, for errors: `config.ini:14` or `environment`.
pub(super) type Place = String;

/// Values by section and key.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(Entries);

/// (section, key) → (value, place).
pub(super) type Entries = BTreeMap<(String, String), (String, Place)>;

/// The sections and keys there are.
pub(super) struct Known(BTreeMap<String, Vec<String>>);

impl Known {
    /// The keys of the example file. Client sections and `[labels]` are open.
    pub(super) fn from_example(example: &Layer) -> Self {
        let mut known = BTreeMap::<String, Vec<String>>::new();
        for section in CLIENT_SECTIONS.into_iter().chain(["labels"]) {
            known.insert(section.to_owned(), Vec::new());
        }
        for (section, key) in example.0.keys() {
            known.entry(section.clone()).or_default().push(key.clone());
        }
        Self(known)
    }

    fn is_open(section: &str) -> bool {
        CLIENT_SECTIONS.contains(&section) || section == "labels" || section.starts_with("cluster:")
    }

    /// What is wrong with a section and key, if anything.
    pub(super) fn problem(&self, section: &str, key: &str) -> Option<String> {
        if Self::is_open(section) {
            return None;
        }
        match self.0.get(section) {
            None => Some(format!("unknown section{}", did_you_mean(section, self.0.keys()))),
            Some(keys) if !keys.iter().any(|known| known == key) => {
                Some(format!("unknown key{}", did_you_mean(key, keys.iter())))
            }
            Some(_) => None,
        }
    }
}

/// `: did you mean X?`, or nothing if nothing is near.
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

impl Layer {
    pub(super) fn of(entries: Entries) -> Self {
        Self(entries)
    }

    /// A file's text. `known` is `None` for the example itself.
    pub(super) fn from_text(name: &str, text: &str, known: Option<&Known>, errors: &mut Errors) -> Self {
        let (entries, bad) = ini::parse(text);
        for bad in bad {
            errors.add(Problem { place: format!("{name}:{}", bad.line), message: bad.message });
        }
        let mut layer = Self::default();
        for entry in entries {
            let place = format!("{name}:{}", entry.line);
            let own_words = entry.section != "admin";
            let (section, key, value) = legacy::translate(entry.section, entry.key, entry.value);
            if !own_words && section != "admin" {
                layer.0.insert((section, key), (value, place));
                continue;
            }
            let secret_file = key.strip_suffix(".file").is_some_and(secret::is_secret);
            if let Some(problem) =
                known.and_then(|known| known.problem(&section, &key)).filter(|_| !secret_file)
            {
                errors.add(Problem { place, message: format!("[{section}] {key}: {problem}") });
                continue;
            }
            layer.0.insert((section, key), (value, place));
        }
        legacy::join_listener(&mut layer.0);
        layer
    }

    /// The environment's variables that begin with our prefix.
    pub(super) fn from_environment(
        env: &BTreeMap<String, String>,
        known: &Known,
        errors: &mut Errors,
    ) -> Self {
        let mut layer = Self::default();
        for (name, value) in env {
            let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__"))
            else {
                continue;
            };
            let section = section.to_lowercase();
            let spelled = |known: &&String| known.replace('.', "_").eq_ignore_ascii_case(key);
            let spelled = known.0.get(&section).and_then(|keys| keys.iter().find(spelled));
            // librdkafka's names have dots, all but one; those of labels have none.
            let key = spelled.cloned().unwrap_or_else(|| match key.to_lowercase() {
                lower if section == "labels" || (section == "kafka" && lower == "log_level") => lower,
                lower => lower.replace('_', "."),
            });
            let place = format!("environment {name}");
            match known.problem(&section, &key) {
                Some(problem) => {
                    errors.add(Problem { place, message: format!("[{section}] {key}: {problem}") })
                }
                None => _ = layer.0.insert((section, key), (value.clone(), place)),
            }
        }
        layer
    }

    /// Values of the command line.
    pub(super) fn from_flags(
        flags: impl IntoIterator<Item = (&'static str, String, String, &'static str)>,
    ) -> Self {
        let entries = flags
            .into_iter()
            .map(|(section, key, value, flag)| ((section.to_owned(), key), (value, flag.to_owned())));
        Self(entries.collect())
    }

    /// Replaces `${VAR}`, and `key.file` by what the file holds.
    pub(super) fn resolved(mut self, env: &BTreeMap<String, String>, errors: &mut Errors) -> Self {
        for ((section, key), (value, place)) in &mut self.0 {
            match substituted(value, env) {
                Ok(text) => *value = text,
                Err(name) => {
                    // What looks like a name may be a piece of a password.
                    let name = if secret::is_secret(key) { "NAME".to_owned() } else { name };
                    let message = format!(
                        "[{section}] {key}: the variable of ${{{name}}} is not set, and has no default (${{{name}:-…}}); $${{ stands for a plain ${{"
                    );
                    errors.add(Problem { place: place.clone(), message });
                }
            }
        }
        let files: Vec<_> = self
            .0
            .keys()
            .filter(|(_, key)| key.strip_suffix(".file").is_some_and(secret::is_secret))
            .cloned()
            .collect();
        for (section, key) in files {
            let Some((path, place)) = self.0.remove(&(section.clone(), key.clone())) else { continue };
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let text = text.strip_suffix('\n').unwrap_or(&text);
                    let text = text.strip_suffix('\r').unwrap_or(text);
                    let plain = key.trim_end_matches(".file").to_owned();
                    self.0.insert((section, plain), (text.to_owned(), place));
                }
                Err(error) => {
                    errors.add(Problem {
                        place,
                        message: format!("[{section}] {key}: cannot read {path}: {error}"),
                    });
                }
            }
        }
        self
    }
}

/// A value with its variables replaced, and `$${` by `${`; the first variable that is neither set nor has a default is the error.
fn substituted(value: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = after;
            continue;
        }
        let Some((inside, behind)) = after.split_once('}') else { break };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let found = env.get(name).map(String::as_str).filter(|found| default.is_none() || !found.is_empty());
        result.push_str(before);
        result.push_str(found.or(default).ok_or_else(|| name.to_owned())?);
        rest = behind;
    }
    result.push_str(rest);
    Ok(result)
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut sections = Map::<String, Map<String, Value>>::new();
        for ((section, key), (value, place)) in &self.0 {
            let value = Value::new(Some(place), ValueKind::String(value.clone()));
            sections.entry(section.clone()).or_default().insert(key.clone(), value);
        }
        Ok(sections
            .into_iter()
            .map(|(section, keys)| (section, Value::new(None, ValueKind::Table(keys))))
            .collect())
    }

    /// Lays the values over what is there. Keys hold dots and sections colons: they are names here, not paths.
    fn collect_to(&self, below: &mut Value) -> Result<(), ConfigError> {
        if !matches!(below.kind, ValueKind::Table(_)) {
            below.kind = ValueKind::Table(Map::new());
        }
        let ValueKind::Table(sections) = &mut below.kind else { return Ok(()) };
        for (name, section) in self.collect()? {
            let under =
                sections.entry(name).or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
            if let (ValueKind::Table(under), ValueKind::Table(over)) = (&mut under.kind, section.kind) {
                under.extend(over);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_after_parsing() {
        let env = BTreeMap::from([("A".to_owned(), "x=;y".to_owned()), ("EMPTY".to_owned(), String::new())]);
        assert_eq!(substituted("<${A}|${B:-d}|${EMPTY:-e}|${EMPTY}>", &env), Ok("<x=;y|d|e|>".to_owned()));
        assert_eq!(substituted("${B}", &env), Err("B".to_owned()));
        assert_eq!(substituted("$A ${open", &env), Ok("$A ${open".to_owned()));
        assert_eq!(substituted("a$${b}${A}$$", &env), Ok("a${b}x=;y$$".to_owned()));
    }
}
