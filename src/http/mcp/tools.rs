//! The tools: paths of the API, with what the OpenAPI document says of them.

use std::{sync::LazyLock, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::message::{INVALID_PARAMS, Refusal};
use crate::http::api;

/// Each tool and the path whose answer it returns. A path without a tool is not offered to assistants.
const TOOLS: [(&str, &str); 14] = [
    ("diagnosis", "/api/v1/diagnosis"),
    ("status", "/api/v1/status"),
    ("groups", "/api/v1/groups"),
    ("topics", "/api/v1/topics"),
    ("partitions", "/api/v1/cluster"),
    ("brokers", "/api/v1/brokers"),
    ("heartbeats", "/api/v1/heartbeats"),
    ("durability", "/api/v1/durability"),
    ("events", "/api/v1/events"),
    ("history", "/api/v1/history"),
    ("slo", "/api/v1/slo"),
    ("gate", "/api/v1/gate"),
    ("lag_report", "/api/v1/report"),
    ("openapi", "/api/v1/openapi.json"),
];

/// The longest answer of a tool in bytes. It is far more than an assistant can read; `fields` and `limit` make answers shorter.
const MOST_BYTES: usize = 1 << 20;

/// The longest time of a call, with the wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most calls at the same time; others wait for their turn.
static TURNS: Semaphore = Semaphore::const_new(4);

/// The tools, in the order of [`TOOLS`].
pub(super) fn list() -> &'static Value {
    static LIST: LazyLock<Value> =
        LazyLock::new(|| TOOLS.iter().map(|(name, path)| described(name, path)).collect());
    &LIST
}

fn described(name: &str, path: &str) -> Value {
    let operation = api::operation(path).unwrap_or(&Value::Null);
    let properties = parameters(path).map(|parameter| {
        let mut schema = parameter["schema"].clone();
        schema["description"] = parameter["description"].clone();
        (parameter["name"].as_str().unwrap_or_default().to_owned(), schema)
    });
    json!({
        "name": name,
        "title": operation["summary"],
        "description": operation["description"],
        "inputSchema": {
            "type": "object",
            "properties": properties.collect::<Map<_, _>>(),
            "additionalProperties": false,
        },
        "annotations": {
            "readOnlyHint": true,
            "destructiveHint": false,
            "idempotentHint": true,
            "openWorldHint": false,
        },
    })
}

/// The parameters of a tool: those of its path, but for the format, which is JSON.
fn parameters(path: &str) -> impl Iterator<Item = &'static Value> {
    api::parameters(path).into_iter().filter(|parameter| parameter["name"] != "format")
}

/// Calls a tool: asks the path of the API. What is wrong with the arguments is a result, which an assistant reads.
///
/// # Errors
/// There is no such tool, or the request is malformed.
pub(super) async fn call(api: Router, params: &Map<String, Value>) -> Result<Value, Refusal> {
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some((_, path)) = TOOLS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<_> = TOOLS.iter().map(|(name, _)| *name).collect();
        let text = format!("there is no such tool; the tools are: {}", names.join(", "));
        return Err(Refusal::new(INVALID_PARAMS, text).with_status(StatusCode::OK));
    };
    let none = Map::new();
    let arguments = match params.get("arguments") {
        None => &none,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => {
            let refusal = Refusal::new(INVALID_PARAMS, "arguments: expected an object");
            return Err(refusal.with_status(StatusCode::OK));
        }
    };
    let answered = match query(path, arguments) {
        Ok(query) => match tokio::time::timeout(PATIENCE, ask(api, &format!("{path}?{query}"))).await {
            Ok(answered) => answered,
            Err(_) => Err("the answer took too long; try again later".to_owned()),
        },
        Err(text) => Err(text),
    };
    let is_error = answered.is_err();
    let text = answered.unwrap_or_else(|text| text);
    Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": is_error }))
}

/// The query for the arguments of a call.
fn query(path: &str, arguments: &Map<String, Value>) -> Result<String, String> {
    let mut pairs = Vec::new();
    for (name, value) in arguments {
        let Some(parameter) = parameters(path).find(|parameter| parameter["name"] == **name) else {
            let known: Vec<_> = parameters(path).filter_map(|parameter| parameter["name"].as_str()).collect();
            let known = known.join(", ");
            return Err(format!("there is no argument {:?}; the arguments are: {known}", shortened(name)));
        };
        let wanted = parameter["schema"]["type"].as_str().unwrap_or_default();
        let text = match (wanted, value) {
            // Many clients send null for an argument that is not given.
            (_, Value::Null) => continue,
            ("string", Value::String(text)) => text.clone(),
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
            _ => return Err(format!("{name}: expected a value of the type {wanted}")),
        };
        pairs.push(format!("{name}={}", encoded(&text)));
    }
    Ok(pairs.join("&"))
}

/// The first characters of a name that a client sent.
fn shortened(name: &str) -> String {
    name.chars().take(50).collect()
}

/// A text as the value of a query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The answer of the API as it is. `Err` holds what is wrong with the question, or why there is no answer.
async fn ask(api: Router, path_and_query: &str) -> Result<String, String> {
    let _turn = TURNS.acquire().await.map_err(|error| error.to_string())?;
    let request =
        Request::get(path_and_query).body(Body::empty()).map_err(|_| "the arguments are too long")?;
    let Ok(response) = TowerToHyperService::new(api).call(request).await;
    let is_success = response.status().is_success();
    let Ok(bytes) = to_bytes(response.into_body(), MOST_BYTES).await else {
        return Err(format!(
            "the answer has more than {MOST_BYTES} bytes: ask for less with `fields`, `search`, `limit` or `cluster`, as far as the tool has them"
        ));
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if is_success {
        return Ok(text);
    }
    // The answer of a closed gate is no error.
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(answer)) => match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(text),
        },
        _ => Err(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_described_by_the_document() {
        let tools = list().as_array().expect("a list");
        assert_eq!(tools.len(), TOOLS.len());
        for tool in tools {
            assert!(tool["title"].is_string() && tool["description"].is_string(), "{tool}");
            let properties = tool["inputSchema"]["properties"].as_object().expect("properties");
            assert!(properties.contains_key("fields") && !properties.contains_key("format"), "{tool}");
            assert!(properties.values().all(|property| property["description"].is_string()), "{tool}");
        }
    }

    #[test]
    fn arguments_become_a_query_and_wrong_ones_are_named() {
        let of = |arguments: Value| {
            let Value::Object(arguments) = arguments else { panic!("an object") };
            query("/api/v1/groups", &arguments)
        };
        let hostile = json!({ "search": "a&limit=1#é ", "limit": 5, "group": null });
        assert_eq!(of(hostile), Ok("limit=5&search=a%26limit%3D1%23%C3%A9%20".to_owned()));
        assert_eq!(of(json!({})), Ok(String::new()));
        let text = of(json!({ "topic": "x" })).expect_err("no such argument");
        assert_eq!(
            text,
            "there is no argument \"topic\"; the arguments are: search, group, cluster, limit, fields"
        );
        for wrong in [json!("5"), json!(1.5), json!(true), json!([1])] {
            assert_eq!(
                of(json!({ "limit": wrong })),
                Err("limit: expected a value of the type integer".to_owned())
            );
        }
        assert!(of(json!({ "format": "text" })).is_err(), "an answer is JSON");
        let long = of(json!({ "x".repeat(100_000): 1 })).expect_err("no such argument");
        assert!(long.len() < 200, "{}", long.len());
    }
}
