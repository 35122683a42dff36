//! Reading client properties by librdkafka's names, and the errors of properties that cannot be used.

use std::{fmt, fs};

use crate::config::{Properties, Property};

/// A client property that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyError {
    /// The name of the property.
    pub key: String,
    /// Where the property was set, such as a file and a line. Empty if the property is missing.
    pub place: String,
    /// What is wrong with the property and what to do. The message never holds the value, which may be a secret.
    pub message: String,
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, place, message } = self;
        if place.is_empty() { write!(f, "{key}: {message}") } else { write!(f, "{place}: {key}: {message}") }
    }
}

/// Reads properties and collects the errors of those that cannot be used.
pub(in crate::kafka) struct PropertyReader<'a> {
    properties: &'a Properties,
    errors: Vec<PropertyError>,
    /// The texts of files: the property that names the file, the property for its text, and the text.
    texts: Vec<(String, String, Vec<u8>)>,
}

impl<'a> PropertyReader<'a> {
    pub(in crate::kafka) fn new(properties: &'a Properties) -> Self {
        Self { properties, errors: Vec::new(), texts: Vec::new() }
    }

    /// The value of a property. `None` if the property is not set or is empty.
    pub(in crate::kafka) fn get(&self, key: &str) -> Option<&'a str> {
        self.properties.get(key).filter(|value| !value.is_empty())
    }

    /// The names of all properties that are set.
    pub(in crate::kafka) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.properties.0.keys().map(String::as_str)
    }

    pub(in crate::kafka) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The number of errors so far.
    pub(in crate::kafka) fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// The errors of all properties that were read.
    pub(in crate::kafka) fn into_errors(self) -> Vec<PropertyError> {
        self.errors
    }

    /// Adds an error of a property.
    pub(in crate::kafka) fn error(&mut self, key: &str, message: impl Into<String>) {
        let place = self.properties.0.get(key).map_or_else(String::new, |property| property.place.clone());
        self.errors.push(PropertyError { key: key.to_owned(), place, message: message.into() });
    }

    /// Adds the same error for each of these properties that is set.
    pub(in crate::kafka) fn refuse(&mut self, keys: impl IntoIterator<Item = &'static str>, message: &str) {
        for key in keys {
            if self.get(key).is_some() {
                self.error(key, message);
            }
        }
    }

    /// The text of `KEY.pem`, or of the file that `KEY.location` names. `None` if neither is set, or if the file cannot
    /// be read, which is added as an error.
    pub(in crate::kafka) fn pem(&mut self, key: &str) -> Option<Vec<u8>> {
        if let Some(text) = self.get(&format!("{key}.pem")) {
            return Some(text.as_bytes().to_vec());
        }
        let location = format!("{key}.location");
        let path = self.get(&location)?;
        match fs::read(path) {
            Ok(bytes) => {
                self.note_text(key, bytes.clone());
                Some(bytes)
            }
            Err(error) => {
                self.error(&location, format!("cannot read {path}: {error}"));
                None
            }
        }
    }

    /// Notes the text of the file or the folder that `KEY.location` names.
    pub(in crate::kafka) fn note_text(&mut self, key: &str, text: Vec<u8>) {
        self.note_file(&format!("{key}.location"), &format!("{key}.pem"), text);
    }

    /// Notes the text of the file that the property `path` names, and the property that holds the text in its place.
    pub(in crate::kafka) fn note_file(&mut self, path: &str, pem: &str, text: Vec<u8>) {
        self.texts.push((path.to_owned(), pem.to_owned(), text));
    }

    /// The properties with the texts that were read in place of the names of their files: `ssl.ca.pem` in place of
    /// `ssl.ca.location`. So a client that is made later has the same certificates, whatever the files hold by then. Bytes
    /// that a property cannot hold are in comments between the certificates, and are replaced.
    pub(in crate::kafka) fn in_memory(&self) -> Properties {
        let mut properties = self.properties.clone();
        for (path, pem, text) in &self.texts {
            if let Some(Property { place, .. }) = properties.0.remove(path) {
                let value = String::from_utf8_lossy(text).replace('\0', "");
                properties.0.insert(pem.clone(), Property { value, place });
            }
        }
        properties
    }
}
