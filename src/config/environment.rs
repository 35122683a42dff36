//! The settings of the environment: `KAFKA_HEARTBEAT__SECTION__KEY`.

use std::collections::BTreeMap;

use super::{
    error::{Errors, Problem},
    known::Known,
    place::Place,
    settings::{Setting, Settings},
};

/// The beginning of the names of our variables.
pub(super) const PREFIX: &str = "KAFKA_HEARTBEAT__";

/// The settings of the variables whose names begin with our prefix. Keys that do not exist are errors and are not
/// among the settings.
pub(super) fn settings(env: &BTreeMap<String, String>, known: &Known, errors: &mut Errors) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in env {
        let named = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__"));
        let Some((section, key)) = named else { continue };
        let section = section.to_lowercase();
        let key = key_of(&section, key, known);
        let place = Place::Environment(name.clone());
        match known.problem(&section, &key) {
            Some(problem) => {
                let message = format!("[{section}] {key}: {problem}");
                errors.add(Problem { place: place.to_string(), message });
            }
            None => settings.set(&section, key, Setting::new(value.clone(), place)),
        }
    }
    settings
}

/// The key that a variable's name stands for. A name has `_` where a key has a dot.
fn key_of(section: &str, name: &str, known: &Known) -> String {
    let spelled = |known: &String| known.replace('.', "_").eq_ignore_ascii_case(name);
    if let Some(key) = known.keys_and_files(section).find(spelled) {
        return key;
    }
    let lower = name.to_lowercase();
    // librdkafka's names have dots, with one exception; names of labels have none.
    if section == "labels" || (section == "kafka" && lower == "log_level") {
        return lower;
    }
    lower.replace('_', ".")
}
