//! JSON-RPC 2.0: requests, notifications and answers.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// The codes of errors, as JSON-RPC and the protocol define them.
pub(super) const PARSE_ERROR: i64 = -32700;
pub(super) const INVALID_REQUEST: i64 = -32600;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const INVALID_PARAMS: i64 = -32602;
pub(super) const HEADER_MISMATCH: i64 = -32020;
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;

/// What a client sends.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// A message that must be answered.
    Request(Request),
    /// A message that must not be answered.
    Notification,
}

/// A message that must be answered.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// A string or an integer, which the answer repeats.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// Why a message is refused.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: i64,
    pub(super) message: String,
    /// More about the error; null if there is no more.
    pub(super) data: Value,
}

impl Refusal {
    /// A refusal with the status 400.
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into(), data: Value::Null }
    }

    /// The refusal with another status.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The answer to the request with this id. `None` if the id could not be read.
    pub(super) fn answer(self, id: Option<Value>) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.data.is_null() {
            error["data"] = self.data;
        }
        let mut answer = json!({ "jsonrpc": "2.0", "error": error });
        if let Some(id) = id {
            answer["id"] = id;
        }
        (self.status, Json(answer)).into_response()
    }
}

/// The answer to the request with this id.
pub(super) fn result(id: &Value, result: &Value) -> Response {
    Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })).into_response()
}

impl Message {
    /// Reads one message. JSON that is nested more deeply than 128 levels is refused.
    ///
    /// # Errors
    /// The bytes are no message: why, with the id if it could be read.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, (Refusal, Option<Value>)> {
        let refused = |code, text: &str| Err((Refusal::new(code, text), None));
        let mut fields = match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => fields,
            Ok(Value::Array(_)) => {
                return refused(INVALID_REQUEST, "a request holds one message: batches are not answered");
            }
            Ok(_) => return refused(INVALID_REQUEST, "a message is a JSON object"),
            Err(_) => return refused(PARSE_ERROR, "the body is not JSON, or is nested too deeply"),
        };
        let id = fields.remove("id");
        let is_id = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
        if id.as_ref().is_some_and(|id| !is_id(id)) {
            return refused(INVALID_REQUEST, "id: expected a string or an integer");
        }
        let refused = |text: &str| Err((Refusal::new(INVALID_REQUEST, text), id.clone()));
        if fields.get("jsonrpc").is_none_or(|version| version != "2.0") {
            return refused("jsonrpc: expected \"2.0\"");
        }
        let Some(Value::String(method)) = fields.remove("method") else {
            return refused("method: expected a name; this server asks nothing, so it takes no answers");
        };
        let params = match fields.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return refused("params: expected an object"),
        };
        Ok(id.map_or(Self::Notification, |id| Self::Request(Request { id, method, params })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_notifications_are_told_apart_by_their_id() {
        let request = br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#;
        let Ok(Message::Request(Request { id, method, params })) = Message::parse(request) else { panic!() };
        assert_eq!((id, method.as_str(), params.len()), (json!("a"), "ping", 0));
        let notification = br#"{"jsonrpc":"2.0","method":"notifications/initialized","params":{}}"#;
        assert_eq!(Message::parse(notification), Ok(Message::Notification));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused_with_the_code_of_json_rpc() {
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}"#, "[".repeat(100_000));
        let table: [(&[u8], i64, Option<i64>); 12] = [
            (b"", PARSE_ERROR, None),
            (b"{", PARSE_ERROR, None),
            (b"\xff\xfe", PARSE_ERROR, None),
            (deep.as_bytes(), PARSE_ERROR, None),
            (b"[]", INVALID_REQUEST, None),
            (b"7", INVALID_REQUEST, None),
            (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, INVALID_REQUEST, None),
            (br#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, INVALID_REQUEST, None),
            (br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID_REQUEST, Some(1)),
            (br#"{"jsonrpc":"2.0","id":2,"method":7}"#, INVALID_REQUEST, Some(2)),
            (br#"{"jsonrpc":"2.0","id":3,"result":{}}"#, INVALID_REQUEST, Some(3)),
            (br#"{"jsonrpc":"2.0","id":4,"method":"ping","params":[1]}"#, INVALID_REQUEST, Some(4)),
        ];
        for (bytes, code, id) in table {
            let text = String::from_utf8_lossy(bytes).chars().take(80).collect::<String>();
            let (refusal, found) = Message::parse(bytes).expect_err(&text);
            assert_eq!((refusal.code, found), (code, id.map(Value::from)), "{text}");
        }
    }
}
