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
pub(super) const PREFIX: &str = "KAFKA_HEARTBEAT__";

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
    /// The keys of the example file, and for each secret key the same key with `.file` behind it. Client sections
    /// and `[labels]` are open.
    pub(super) fn from_example(example: &Layer) -> Self {
        let mut known = BTreeMap::<String, Vec<String>>::new();
        for section in CLIENT_SECTIONS.into_iter().chain(["labels"]) {
            known.insert(section.to_owned(), Vec::new());
        }
        for (section, key) in example.0.keys() {
            let file = secret::is_secret(key).then(|| format!("{key}.file"));
            known.entry(section.clone()).or_default().extend([key.clone()].into_iter().chain(file));
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
            if let Some(problem) = known.and_then(|known| known.problem(&section, &key)) {
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

    /// Replaces `${VAR}` in each value. Only a file needs this: the environment and the command line hold the values
    /// themselves, and a password may contain `${`.
    pub(super) fn with_variables(mut self, env: &BTreeMap<String, String>, errors: &mut Errors) -> Self {
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
        self
    }

    /// Replaces each `KEY.file` of a secret by `KEY` with the content of the file, without the line break at its end.
    pub(super) fn with_secret_files(mut self, errors: &mut Errors) -> Self {
        let is_file = |key: &str| key.strip_suffix(".file").is_some_and(secret::is_secret);
        let (files, others): (Entries, _) = self.0.into_iter().partition(|((_, key), _)| is_file(key));
        self.0 = others;
        for ((section, key), (path, place)) in files {
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let text = text.strip_suffix('\n').unwrap_or(&text);
                    let text = text.strip_suffix('\r').unwrap_or(text);
                    let plain = key.trim_end_matches(".file").to_owned();
                    self.0.insert((section, plain), (text.to_owned(), place));
                }
                Err(error) => {
                    let message = format!("[{section}] {key}: cannot read {path}: {error}");
                    errors.add(Problem { place, message });
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

    #[test]
    fn every_secret_key_can_name_a_file_in_a_file_and_in_the_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "a ${b} c\r\n").expect("a file");
        let path = path.display().to_string();
        let example = Layer::from_text("example", super::super::load::EXAMPLE, None, &mut Errors::default());
        let known = Known::from_example(&example);
        let ours = example.0.into_keys().filter(|(_, key)| secret::is_secret(key));
        let client = ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"];
        let client = CLIENT_SECTIONS
            .iter()
            .flat_map(|section| client.map(|key| ((*section).to_owned(), key.to_owned())));
        let secrets: Vec<_> = ours.chain(client).collect();
        for wanted in [("http", "basic.password"), ("otlp", "headers"), ("otlp", "traces.headers")] {
            assert!(secrets.iter().any(|(section, key)| (section.as_str(), key.as_str()) == wanted));
        }
        for (section, key) in secrets {
            let mut errors = Errors::default();
            let text = format!("[{section}]\n{key}.file = {path}\n");
            let variable = format!("{PREFIX}{}__{}_FILE", section, key.replace('.', "_")).to_uppercase();
            let env = BTreeMap::from([(variable, path.clone())]);
            let layers = [
                Layer::from_text("config.ini", &text, Some(&known), &mut errors),
                Layer::from_environment(&env, &known, &mut errors),
            ];
            for layer in layers {
                let read = layer.with_secret_files(&mut errors).0;
                let found: Vec<_> = read.into_iter().map(|(key, (value, _))| (key, value)).collect();
                assert_eq!(errors, Errors::default());
                assert_eq!(found, [((section.clone(), key.clone()), "a ${b} c".to_owned())]);
            }
        }
    }
}
