//! The sources of settings laid over each other, by the crate `config`.

use std::fmt;

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::settings::Settings;

/// The settings of one source. The number of the layer is the origin of each value, which leads back to its place.
#[derive(Clone)]
struct Layer {
    number: usize,
    settings: Settings,
}

/// Without values, which may be secrets.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let origin = self.number.to_string();
        let section = |(name, keys): (&String, &super::settings::Section)| {
            let keys = keys.iter().map(|(key, setting)| {
                (key.clone(), Value::new(Some(&origin), ValueKind::String(setting.value.clone())))
            });
            (name.clone(), Value::new(None, ValueKind::Table(keys.collect())))
        };
        Ok(self.settings.sections().map(section).collect())
    }

    /// Lays the values over those below. A key may contain dots and the name of a section a colon: neither is a path.
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

/// The settings of all layers, the lowest first. Where two layers set a key, the value of the higher one wins.
///
/// # Errors
/// What the crate `config` reports, in words.
pub(super) fn lay_over(layers: Vec<Settings>) -> Result<Settings, String> {
    let mut builder = config::Config::builder();
    for (number, settings) in layers.iter().cloned().enumerate() {
        builder = builder.add_source(Layer { number, settings });
    }
    let merged = builder.build().and_then(|merged| merged.collect()).map_err(|error| error.to_string())?;
    let mut settings = Settings::default();
    for (section, keys) in merged {
        let ValueKind::Table(keys) = keys.kind else { continue };
        for (key, value) in keys {
            let layer = value.origin().and_then(|origin| layers.get(origin.parse::<usize>().ok()?));
            if let Some(setting) = layer.and_then(|layer| layer.get(&section, &key)) {
                settings.set(&section, key, setting.clone());
            }
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{place::Place, settings::Setting};

    #[test]
    fn higher_layer_wins_key_by_key_and_the_setting_keeps_its_place() {
        let layer = |flag: &'static str, keys: &[&str]| {
            let mut settings = Settings::default();
            for key in keys {
                let setting = Setting::new(format!("{flag}-{key}"), Place::Flag(flag));
                settings.set("cluster:a", *key, setting);
            }
            settings
        };
        let layers = vec![layer("low", &["both.x", "one"]), layer("high", &["both.x"])];
        let merged = lay_over(layers).expect("two layers");
        let of = |key: &str| merged.get("cluster:a", key).map(|set| (set.value.as_str(), set.place.clone()));
        assert_eq!(of("both.x"), Some(("high-both.x", Place::Flag("high"))));
        assert_eq!(of("one"), Some(("low-one", Place::Flag("low"))));
        assert_eq!(of("none"), None);
    }
}
