//! Secrets in files of their own: `sasl.password.file` stands for `sasl.password`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    error::{Errors, Problem},
    kafka::Properties,
    secret,
    settings::{Setting, Settings},
};
use crate::files::read_text;

/// A property of its own: the source of tokens reads this file again and again.
const TOKEN_FILE: &str = "sasl.oauthbearer.token.file";

/// Replaces each `KEY.file` of a secret key by `KEY` with the content of the file, without the line break at its end.
/// A file that cannot be read or that is empty is an error, and the key is not set then: an empty secret would be no
/// secret at all.
pub(super) fn read(settings: &mut Settings, errors: &mut Errors) {
    let mut files = Vec::new();
    for (section, keys) in settings.sections() {
        let secrets = keys
            .keys()
            .filter(|key| *key != TOKEN_FILE && key.strip_suffix(".file").is_some_and(secret::is_secret));
        files.extend(secrets.map(|key| (section.clone(), key.clone())));
    }
    for (section, key) in files {
        let Some(Setting { value: path, place, .. }) = settings.remove(&section, &key) else { continue };
        let path = PathBuf::from(path);
        match secret_of(&path) {
            Ok(value) => {
                let plain = key.trim_end_matches(".file");
                settings.set(&section, plain, Setting { value, place, file: Some(path) });
            }
            Err(problem) => {
                let message = format!("[{section}] {key}: {problem}");
                errors.add(Problem { place: place.to_string(), message });
            }
        }
    }
}

/// The content of a secret's file, without the line break at its end.
///
/// # Errors
/// Why there is no secret, with the path of the file.
fn secret_of(path: &Path) -> Result<String, String> {
    let name = path.display();
    let text = read_text(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        Err(format!("{name} is empty: write the secret into it"))
    } else {
        Ok(text.to_owned())
    }
}

/// The files of the secrets of one section, by the key that stands for the secret: `sasl.password`, not
/// `sasl.password.file`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretFiles(BTreeMap<String, PathBuf>);

impl SecretFiles {
    /// The files of a section.
    pub(super) fn of(section: &str, settings: &Settings) -> Self {
        let files = settings.section(section);
        Self(files.filter_map(|(key, setting)| Some((key.clone(), setting.file.clone()?))).collect())
    }

    /// The file of a secret; `None` if the secret was not read from a file.
    pub fn get(&self, key: &str) -> Option<&Path> {
        self.0.get(key).map(PathBuf::as_path)
    }

    /// The paths of all files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.values().map(PathBuf::as_path)
    }

    /// The secret of a key as its file holds it now, which no log line will show. `None` if the secret was not read from a
    /// file.
    ///
    /// # Errors
    /// Why there is no secret, with the path of the file.
    pub fn reread(&self, key: &str) -> Option<Result<String, String>> {
        let path = self.get(key)?;
        Some(secret_of(path).inspect(|value| _ = secret::remember(&path.to_string_lossy(), key, value)))
    }

    /// The properties with the secrets that their files hold now.
    ///
    /// # Errors
    /// Each file without a secret: where the property was set, the key and the reason.
    pub fn reread_all(&self, properties: &Properties) -> Result<Properties, Vec<Problem>> {
        let mut properties = properties.clone();
        let mut problems = Vec::new();
        for (key, property) in &mut properties.0 {
            match self.reread(key) {
                None => {}
                Some(Ok(value)) => property.value = value,
                Some(Err(reason)) => {
                    let message = format!("{key}.file: {reason}");
                    problems.push(Problem { place: property.place.clone(), message });
                }
            }
        }
        if problems.is_empty() { Ok(properties) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::{
        super::{
            environment,
            file::{self, File},
            ini,
            known::{CLIENT_SECTIONS, EXAMPLE, Known},
            test_support::errors,
        },
        *,
    };

    #[test]
    fn empty_secret_file_is_an_error_with_the_name_of_the_key_and_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token").display().to_string();
        fs::write(&path, "\n").expect("a file");
        let found = errors(&[("http", "bearer.token.file", &path)]);
        assert!(found.contains(&format!("[http] bearer.token.file: {path} is empty")), "{found}");
    }

    #[test]
    fn every_secret_key_can_name_a_file_in_a_file_and_in_the_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "a ${b} c\r\n").expect("a file");
        let path = path.display().to_string();
        let example = ini::parse(EXAMPLE);
        let known = Known::from_example(&example);
        let ours = example.entries.into_iter().filter(|entry| secret::is_secret(&entry.key));
        let ours = ours.map(|entry| (entry.section, entry.key));
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
            let variable = format!("{}{}__{}_FILE", environment::PREFIX, section, key.replace('.', "_"));
            let env = BTreeMap::from([(variable.to_uppercase(), path.clone())]);
            let file = File { name: "config.ini", text: &text };
            let sources =
                [file::settings(file, &known, &mut errors), environment::settings(&env, &known, &mut errors)];
            for mut settings in sources {
                read(&mut settings, &mut errors);
                let found: Vec<_> = settings
                    .sections()
                    .flat_map(|(section, keys)| keys.iter().map(move |(key, set)| (section, key, &set.value)))
                    .collect();
                assert_eq!(errors, Errors::default());
                assert_eq!(found, [(&section, &key, &"a ${b} c".to_owned())]);
            }
        }
    }
}
