//! `/api/v1/openapi.json`: the OpenAPI document of the API, and what it says of the fields of an answer.
//!
//! The document is written by hand beside the code. Tests compare each answer with it, so it is also what `?fields=` and
//! the tools of `/mcp` go by.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;

const TEXT: &str = include_str!("openapi.json");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(TEXT).unwrap_or_default());

/// The document.
pub(in crate::http) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], TEXT).into_response()
}

/// The description of a path. `None` if the API has no such path.
pub(in crate::http) fn operation(path: &str) -> Option<&'static Value> {
    DOCUMENT["paths"].get(path)?.get("get")
}

/// The parameters of a path, with their names, descriptions and schemas. Empty if the API has no such path.
pub(in crate::http) fn parameters(path: &str) -> Vec<&'static Value> {
    let listed = operation(path).and_then(|operation| operation["parameters"].as_array());
    listed.into_iter().flatten().map(resolved).collect()
}

/// The schema of the JSON that a path answers with. `None` if the API has no such path.
pub(super) fn answer(path: &str) -> Option<&'static Value> {
    operation(path)?.pointer("/responses/200/content/application~1json/schema")
}

/// What a reference refers to, or the value itself.
fn resolved(value: &'static Value) -> &'static Value {
    let reference = value.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    reference.and_then(|pointer| DOCUMENT.pointer(pointer)).map_or(value, resolved)
}

/// The fields at one place of an answer.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// The schemas of the objects that may be at this place.
    objects: Vec<&'static Value>,
}

impl Level {
    /// The fields of what these schemas describe. Lists are passed through.
    pub(super) fn of(schemas: &[&'static Value]) -> Self {
        let mut level = Self::default();
        schemas.iter().for_each(|schema| level.add(schema));
        level
    }

    fn add(&mut self, schema: &'static Value) {
        let schema = resolved(schema);
        if let Some(items) = schema.get("items") {
            self.add(items);
        }
        for choice in ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema[key].as_array()).flatten() {
            self.add(choice);
        }
        if is_object(&schema["type"]) {
            self.objects.push(schema);
        }
    }

    /// The schemas of a field. `None` if there is no such field, an empty list if the document does not describe the field.
    pub(super) fn field(&self, name: &str) -> Option<Vec<&'static Value>> {
        let known: Vec<_> = self.objects.iter().filter_map(|object| field(object, name)).collect();
        (!known.is_empty()).then(|| known.into_iter().flatten().collect())
    }

    /// The names of the fields, in words.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for object in &self.objects {
            names.extend(object["properties"].as_object().into_iter().flatten().map(|(name, _)| &**name));
            match keys(object) {
                Some(keys) => names.extend(keys.iter().filter_map(Value::as_str)),
                None if object["additionalProperties"].is_object() => names.push("any name"),
                None => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

fn is_object(kind: &Value) -> bool {
    kind == "object" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "object"))
}

/// The names that the fields of an object with any number of fields may have. `None` if every name is possible.
fn keys(object: &'static Value) -> Option<&'static Vec<Value>> {
    resolved(object.get("propertyNames")?)["enum"].as_array()
}

/// The schema of a field of an object, or nothing for a field that the document does not describe. `None` if there is no such field.
fn field(object: &'static Value, name: &str) -> Option<Option<&'static Value>> {
    if let Some(schema) = object["properties"].get(name) {
        return Some(Some(schema));
    }
    match object.get("additionalProperties") {
        Some(Value::Bool(others)) => others.then_some(None),
        Some(schema) => {
            keys(object).is_none_or(|keys| keys.iter().any(|key| key == name)).then_some(Some(schema))
        }
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_is_json_of_the_version_of_the_program() {
        assert_eq!(DOCUMENT["openapi"], "3.1.1");
        assert_eq!(
            DOCUMENT["info"]["version"],
            env!("CARGO_PKG_VERSION"),
            "src/http/api/openapi.json has the version of the program in `info`"
        );
    }

    #[test]
    fn level_names_the_fields_of_objects_in_lists_and_choices() {
        let level = Level::of(&[answer("/api/v1/heartbeats").expect("a path")]);
        assert_eq!(level.names(), "clusters, generated_at");
        let clusters = Level::of(&level.field("clusters").expect("a field"));
        assert_eq!(clusters.names(), "bad, cluster, partitions");
        assert!(clusters.field("nothing").is_none());
        assert!(answer("/api/v1/nothing").is_none());
    }

    #[test]
    fn level_of_a_map_takes_the_names_that_its_keys_may_have() {
        let interval = DOCUMENT.pointer("/components/schemas/Interval").expect("a schema");
        let outcomes = Level::of(&Level::of(&[interval]).field("outcomes").expect("a field"));
        assert!(outcomes.field("late").is_some() && outcomes.field("early").is_none());
        let partitions = Level::of(&Level::of(&[interval]).field("partitions").expect("a field"));
        assert!(partitions.field("17").is_some());
        assert_eq!(partitions.names(), "any name");
    }
}
