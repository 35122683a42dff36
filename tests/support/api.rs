//! The OpenAPI document of the API, and the comparison of answers with it. Every answer of `/api/v1` that a test receives through
//! [`super::service`] is compared.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The document as it is served.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../src/http/api/openapi.json")).expect("the document is JSON")
});

/// Panics if an answer is not as the document says: its status, its content type, or its JSON. Answers of other paths than
/// `/api/v1` are not compared. Of an answer with `?fields=` no field is required.
pub(crate) fn check(path_and_query: &str, status: u16, content_type: &str, body: &str) {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    if !path.starts_with("/api/v1/") {
        return;
    }
    let problems = problems(path, query.contains("fields="), status, content_type, body);
    assert!(
        problems.is_empty(),
        "GET {path_and_query} answered {status} {content_type}, which src/http/api/openapi.json does not describe:\n{}\n{body}",
        problems.join("\n")
    );
}

/// What of an answer is not as the document says.
pub(crate) fn problems(
    path: &str,
    is_selected: bool,
    status: u16,
    content_type: &str,
    body: &str,
) -> Vec<String> {
    let Some(operation) = DOCUMENT["paths"].get(path).map(|item| &item["get"]) else {
        return vec![format!("no path {path}")];
    };
    let Some(response) = operation["responses"].get(status.to_string()) else {
        return vec![format!("no status {status}")];
    };
    let kind = content_type.split(';').next().unwrap_or_default();
    let Some(content) = resolved(response)["content"].get(kind) else {
        return vec![format!("no content type {kind:?}")];
    };
    if kind != "application/json" {
        return Vec::new();
    }
    match serde_json::from_str(body) {
        Ok(answer) => violations(&content["schema"], is_selected, &answer),
        Err(error) => vec![format!("no JSON: {error}")],
    }
}

/// Where a value is not as a schema of the document says.
pub(crate) fn violations(schema: &Value, is_selected: bool, value: &Value) -> Vec<String> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let key = format!("{is_selected}{schema}");
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = compiled.entry(key).or_insert_with(|| {
        let mut root = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
        if is_selected {
            require_nothing(&mut root);
        }
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Arc::new(options.build(&root).expect("the schemas of the document are valid"))
    });
    let validator = Arc::clone(validator);
    drop(compiled);
    let errors = validator.iter_errors(value);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Removes every `required` of a schema.
fn require_nothing(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            if keys.get("required").is_some_and(Value::is_array) {
                keys.remove("required");
            }
            keys.values_mut().for_each(require_nothing);
        }
        Value::Array(items) => items.iter_mut().for_each(require_nothing),
        _ => {}
    }
}

/// What a reference refers to, or the value itself.
pub(crate) fn resolved(value: &'static Value) -> &'static Value {
    let reference = value.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    reference
        .map_or(value, |pointer| resolved(DOCUMENT.pointer(pointer).expect("the reference leads somewhere")))
}

/// The fields of a schema with their types, by path: `clusters[].verdict`. The name of a field of a map is `*`. A field that may be
/// absent ends with `?`.
pub(crate) fn fields(schema: &'static Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    walk(schema, String::new(), &mut found);
    found
}

fn walk(schema: &'static Value, path: String, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let schema = resolved(schema);
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        walk(choice, path.clone(), found);
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let format = schema["format"].as_str().map(|format| format!(" ({format})")).unwrap_or_default();
    found.entry(path.clone()).or_default().extend(types.into_iter().map(|kind| match kind {
        "string" => format!("string{format}"),
        other => other.to_owned(),
    }));
    if let Some(items) = schema.get("items") {
        walk(items, format!("{path}[]"), found);
    }
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let mark = if required.iter().any(|required| *required == name) { "" } else { "?" };
        walk(field, join(&format!("{name}{mark}")), found);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        walk(values, join("*"), found);
    }
}
