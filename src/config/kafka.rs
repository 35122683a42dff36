//! `[kafka]`, `[producer]` and `[consumer]`: client properties by librdkafka's names.

use std::{collections::BTreeMap, fmt};

use super::settings::{Setting, Settings};

/// Client properties by librdkafka's names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, Property>);

/// A client property and where it is set.
#[derive(Clone, Eq)]
pub struct Property {
    /// The value as it is written. It may be a secret.
    pub value: String,
    /// The source of the value: `config.ini:14`, `environment NAME`, `-X` and the like.
    pub place: String,
}

impl PartialEq for Property {
    /// Whether both have the same value, wherever it is set.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Properties {
    /// The value of a property; `None` if the property is not set.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|property| property.value.as_str())
    }

    /// The properties of a section. The key `name` of `[kafka]` is the name of the cluster and no property.
    pub(super) fn read(section: &str, settings: &Settings) -> Self {
        let properties = settings.section(section).filter(|(key, _)| section != "kafka" || *key != "name");
        let property = |(key, setting): (&String, &Setting)| {
            let place = setting.place.to_string();
            (key.clone(), Property { value: setting.value.clone(), place })
        };
        Self(properties.map(property).collect())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_in_debug_output_have_no_values() {
        let property = Property { value: "hush".to_owned(), place: String::new() };
        let properties = Properties(BTreeMap::from([("sasl.password".to_owned(), property)]));
        assert_eq!(format!("{properties:?}"), r#"{"sasl.password"}"#);
    }
}
