//! Which revision of the protocol a request belongs to, and the checks of its headers.

use axum::http::{HeaderMap, HeaderValue};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::message::{HEADER_MISMATCH, INVALID_PARAMS, Refusal, Request, UNSUPPORTED_VERSION};

/// The revision in which each request stands alone.
pub(super) const STATELESS: &str = "2026-07-28";

/// The revisions that begin with `initialize`, the newest first.
pub(super) const HANDSHAKE: [&str; 2] = ["2025-11-25", "2025-06-18"];

/// The keys of `_meta` that the protocol defines.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// The rules by which a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revision {
    /// Those of [`STATELESS`].
    Stateless,
    /// Those of [`HANDSHAKE`].
    Handshake,
}

impl Revision {
    /// The rules for a request, by its headers and its `_meta`.
    ///
    /// # Errors
    /// The request belongs to no revision that is answered, or its headers are not as the revision demands.
    pub(super) fn of(headers: &HeaderMap, request: &Request) -> Result<Self, Refusal> {
        let header = one(headers, "mcp-protocol-version")?;
        let meta = request.params.get("_meta").and_then(Value::as_object);
        let named = meta.and_then(|meta| meta.get(VERSION_KEY)).map(|version| version.as_str().unwrap_or(""));
        match (named, header) {
            (None, _) if request.method == "initialize" => Ok(Self::Handshake),
            (None, Some(version)) if HANDSHAKE.contains(&version) => Ok(Self::Handshake),
            (None, Some(STATELESS)) => {
                Err(Refusal::new(INVALID_PARAMS, format!("_meta: {VERSION_KEY} is missing")))
            }
            (None, Some(other)) => Err(unsupported(other)),
            (None, None) => Err(Refusal::new(HEADER_MISMATCH, "the header MCP-Protocol-Version is missing")),
            (Some(named), header) if header != Some(named) => Err(Refusal::new(
                HEADER_MISMATCH,
                format!("the header MCP-Protocol-Version is not {VERSION_KEY} of _meta"),
            )),
            (Some(STATELESS), _) => checked(headers, request, meta).map(|()| Self::Stateless),
            (Some(named), _) if HANDSHAKE.contains(&named) => Ok(Self::Handshake),
            (Some(other), _) => Err(unsupported(other)),
        }
    }
}

/// Checks what the stateless revision demands of every request.
fn checked(headers: &HeaderMap, request: &Request, meta: Option<&Map<String, Value>>) -> Result<(), Refusal> {
    if one(headers, "mcp-method")? != Some(&*request.method) {
        return Err(Refusal::new(HEADER_MISMATCH, "the header Mcp-Method is not the method of the body"));
    }
    if request.method == "tools/call" {
        let name = one(headers, "mcp-name")?.map(decoded);
        if name.as_deref() != request.params.get("name").and_then(Value::as_str) || name.is_none() {
            return Err(Refusal::new(HEADER_MISMATCH, "the header Mcp-Name is not params.name of the body"));
        }
    }
    if !meta.and_then(|meta| meta.get(CAPABILITIES_KEY)).is_some_and(Value::is_object) {
        return Err(Refusal::new(INVALID_PARAMS, format!("_meta: {CAPABILITIES_KEY} is missing")));
    }
    Ok(())
}

/// The value of a header. `None` without the header.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str).transpose();
    match (value, values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(Refusal::new(HEADER_MISMATCH, format!("the header {name} is given twice or is not ASCII"))),
    }
}

/// The text of a header value, which may be written as `=?base64?…?=`.
fn decoded(value: &str) -> String {
    let packed = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let bytes = packed.and_then(|packed| STANDARD.decode(packed).ok());
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| value.to_owned())
}

/// Every revision that is answered, the newest first.
pub(super) fn supported() -> Vec<&'static str> {
    std::iter::once(STATELESS).chain(HANDSHAKE).collect()
}

fn unsupported(requested: &str) -> Refusal {
    let data = json!({ "supported": supported(), "requested": requested });
    Refusal { data, ..Refusal::new(UNSUPPORTED_VERSION, "this protocol version is not supported") }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn revision(method: &str, params: Value, headers: &[(&str, &str)]) -> Result<Revision, i64> {
        let Value::Object(params) = params else { panic!("params are an object") };
        let request = Request { id: 1.into(), method: method.to_owned(), params };
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| _ = map.append(name, value));
        Revision::of(&map, &request).map_err(|refusal| refusal.code)
    }

    fn meta(version: &str) -> Value {
        json!({ "name": "größe", "_meta": { VERSION_KEY: version, CAPABILITIES_KEY: {} } })
    }

    #[test]
    fn request_with_its_own_version_is_answered_by_the_newest_revision() {
        let version = ("MCP-Protocol-Version", STATELESS);
        let list = |headers: &[(&str, &str)]| revision("tools/list", meta(STATELESS), headers);
        assert_eq!(list(&[version, ("mcp-method", "tools/list")]), Ok(Revision::Stateless));
        assert_eq!(list(&[version]), Err(HEADER_MISMATCH));
        assert_eq!(list(&[version, ("mcp-method", "tools/call")]), Err(HEADER_MISMATCH));
        assert_eq!(list(&[("mcp-method", "tools/list")]), Err(HEADER_MISMATCH));
        assert_eq!(list(&[version, version, ("mcp-method", "tools/list")]), Err(HEADER_MISMATCH));
        let call = |name: &str| {
            revision(
                "tools/call",
                meta(STATELESS),
                &[version, ("mcp-method", "tools/call"), ("mcp-name", name)],
            )
        };
        assert_eq!(
            call("=?base64?Z3LDtsOfZQ==?="),
            Ok(Revision::Stateless),
            "a name that is not ASCII is packed"
        );
        assert_eq!(call("groups"), Err(HEADER_MISMATCH));
        let without = json!({ "_meta": { VERSION_KEY: STATELESS } });
        assert_eq!(
            revision("tools/list", without, &[version, ("mcp-method", "tools/list")]),
            Err(INVALID_PARAMS),
            "the capabilities are required"
        );
        assert_eq!(revision("tools/list", json!({}), &[version]), Err(INVALID_PARAMS));
    }

    #[test]
    fn request_without_its_own_version_is_answered_by_the_revision_of_its_header() {
        let list = |headers: &[(&str, &str)]| revision("tools/list", json!({}), headers);
        for version in HANDSHAKE {
            assert_eq!(list(&[("mcp-protocol-version", version)]), Ok(Revision::Handshake));
        }
        assert_eq!(revision("initialize", json!({}), &[]), Ok(Revision::Handshake));
        assert_eq!(list(&[]), Err(HEADER_MISMATCH), "revisions without this header are not answered");
        assert_eq!(list(&[("mcp-protocol-version", "2024-11-05")]), Err(UNSUPPORTED_VERSION));
        let future = [("mcp-protocol-version", "2999-01-01"), ("mcp-method", "tools/list")];
        assert_eq!(revision("tools/list", meta("2999-01-01"), &future), Err(UNSUPPORTED_VERSION));
    }
}
