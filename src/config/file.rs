//! The settings of a configuration file.

use std::collections::BTreeMap;

use super::{
    error::{Errors, Problem},
    ini,
    known::Known,
    legacy::{self, AdminKey},
    place::Place,
    secret,
    settings::{Setting, Settings},
};

/// The name and the text of a file.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// The defaults: the settings of the example file.
pub(super) fn defaults(example: &ini::Document) -> Settings {
    let mut settings = Settings::default();
    for entry in &example.entries {
        let place = Place::Default { line: entry.line };
        settings.set(&entry.section, &*entry.key, Setting::new(entry.value.clone(), place));
    }
    settings
}

/// The settings of the user's file. Keys that do not exist are errors and are not among the settings.
pub(super) fn settings(file: File<'_>, known: &Known, errors: &mut Errors) -> Settings {
    let document = ini::parse(file.text);
    let place = |line| Place::File { name: file.name.to_owned(), line };
    for bad in document.bad_lines {
        errors.add(Problem { place: place(bad.line).to_string(), message: bad.message });
    }
    let mut settings = Settings::default();
    let (mut host, mut port) = (None, None);
    for ini::Entry { line, section, key, value } in document.entries {
        let place = place(line);
        let admin = if section == "admin" { legacy::admin_key(&key, &value) } else { None };
        match admin {
            Some(AdminKey::Ours { section, key, value }) => {
                settings.set(section, key, Setting::new(value, place));
            }
            Some(AdminKey::ListenerHost) => host = Some(Setting::new(value, place)),
            Some(AdminKey::ListenerPort) => port = Some(Setting::new(value, place)),
            Some(AdminKey::Ignored) => {}
            None => {
                let section = legacy::section(&section);
                match known.problem(section, &key) {
                    Some(problem) => {
                        let message = format!("[{section}] {key}: {problem}");
                        errors.add(Problem { place: place.to_string(), message });
                    }
                    None => settings.set(section, key, Setting::new(value, place)),
                }
            }
        }
    }
    if let Some(listener) = legacy::listener(host, port) {
        settings.set("http", "listen", listener);
    }
    settings
}

/// Replaces `${VAR}` in each value of a file. Values of the environment and of the command line need no replacement: a
/// password there may contain `${`.
pub(super) fn replace_variables(
    settings: &mut Settings,
    env: &BTreeMap<String, String>,
    errors: &mut Errors,
) {
    for (section, keys) in settings.sections_mut() {
        for (key, setting) in keys {
            match substituted(&setting.value, env) {
                Ok(text) => setting.value = text,
                Err(name) => {
                    // The text between the brackets may be a part of a password.
                    let name = if secret::is_secret(key) { "NAME" } else { name };
                    let message = format!(
                        "[{section}] {key}: the variable of ${{{name}}} is not set, and has no default (${{{name}:-…}}); $${{ stands for a plain ${{"
                    );
                    errors.add(Problem { place: setting.place.to_string(), message });
                }
            }
        }
    }
}

/// A value with its variables replaced, and with `$${` replaced by `${`. The error is the name of the first variable
/// that is neither set nor has a default.
fn substituted<'a>(value: &'a str, env: &BTreeMap<String, String>) -> Result<String, &'a str> {
    let mut result = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = after;
            continue;
        }
        let Some((inside, remainder)) = after.split_once('}') else { break };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let found = env.get(name).map(String::as_str).filter(|found| default.is_none() || !found.is_empty());
        result.push_str(before);
        result.push_str(found.or(default).ok_or(name)?);
        rest = remainder;
    }
    result.push_str(rest);
    Ok(result)
}

/// A value as a file has to hold it, so that [`substituted`] returns the value.
pub(super) fn escaped(value: &str) -> String {
    value.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_are_replaced_after_parsing() {
        let env = BTreeMap::from([("A".to_owned(), "x=;y".to_owned()), ("EMPTY".to_owned(), String::new())]);
        assert_eq!(substituted("<${A}|${B:-d}|${EMPTY:-e}|${EMPTY}>", &env), Ok("<x=;y|d|e|>".to_owned()));
        assert_eq!(substituted("${B}", &env), Err("B"));
        assert_eq!(substituted("$A ${open", &env), Ok("$A ${open".to_owned()));
        assert_eq!(substituted("a$${b}${A}$$", &env), Ok("a${b}x=;y$$".to_owned()));
    }

    proptest! {
        #[test]
        fn escaped_value_is_replaced_by_itself(value in "[a${}:-]{0,12}") {
            let escaped = escaped(&value);
            prop_assert_eq!(substituted(&escaped, &BTreeMap::new()), Ok(value));
        }
    }
}
