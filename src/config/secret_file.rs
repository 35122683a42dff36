//! Secrets in files of their own: `sasl.password.file` stands for `sasl.password`.

use std::fs;

use super::{
    error::{Errors, Problem},
    secret,
    settings::{Setting, Settings},
};

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
        let Some(Setting { value: path, place }) = settings.remove(&section, &key) else { continue };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    let message = format!("[{section}] {key}: {path} is empty: write the secret into it");
                    errors.add(Problem { place: place.to_string(), message });
                    continue;
                }
                let plain = key.trim_end_matches(".file");
                settings.set(&section, plain, Setting { value: text.to_owned(), place });
            }
            Err(error) => {
                let message = format!("[{section}] {key}: cannot read {path}: {error}");
                errors.add(Problem { place: place.to_string(), message });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
