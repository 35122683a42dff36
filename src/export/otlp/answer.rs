//! The answer of a collector: whether it accepted a request, and if not, whether to send the request again.

use std::time::Duration;

use prost::Message;
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::text::{Chain, plain};

/// No more of an answer is read, in bytes. Nothing in a longer answer is worth its memory.
pub(super) const LONGEST_ANSWER: usize = 1 << 20;

/// The collector accepted the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::export) struct Taken {
    /// Number of points or spans that the collector rejected nevertheless.
    pub(in crate::export) rejected: u64,
    /// What the collector says about the rejected points or spans.
    pub(in crate::export) words: String,
}

impl Taken {
    /// Logs what the collector rejected.
    pub(in crate::export) fn log(&self) {
        let (rejected, words) = (self.rejected, plain(&self.words));
        if rejected > 0 || !words.is_empty() {
            tracing::warn!(rejected, %words, "the collector rejected a part of a request");
        }
    }
}

/// The collector did not accept the request, or did not answer.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::export) struct Refused {
    pub(in crate::export) words: String,
    pub(in crate::export) again: Again,
}

/// Whether to send the request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::export) enum Again {
    /// The request would be refused again.
    Never,
    /// In smaller requests, because this one is too large.
    Smaller,
    /// After a wait that the sender chooses.
    Soon,
    /// After this wait, which the collector asked for.
    After(Duration),
}

/// `ExportMetricsServiceResponse` and `ExportTraceServiceResponse`, which have the same fields.
#[derive(Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    #[serde(rename = "partialSuccess")]
    partial: Option<Partial>,
}

#[derive(Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Partial {
    #[prost(int64, tag = "1")]
    #[serde(rename = "rejectedDataPoints", alias = "rejectedSpans", deserialize_with = "number")]
    rejected: i64,
    #[prost(string, tag = "2")]
    #[serde(rename = "errorMessage")]
    words: String,
}

/// A 64-bit number, which the JSON form of protobuf writes as text.
fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom("expected a number"))
}

/// Reads an answer over HTTP.
pub(super) async fn answered_http(mut answer: Response) -> Result<Taken, Refused> {
    let status = answer.status();
    let headers = std::mem::take(answer.headers_mut());
    let body = read(&mut answer).await.map_err(|error| passing(error.without_url()))?;
    judged(status, &headers, &body)
}

/// The body of an answer, up to the longest that is read.
async fn read(answer: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(more) = answer.chunk().await? {
        body.extend_from_slice(&more);
        if body.len() > LONGEST_ANSWER {
            break;
        }
    }
    Ok(body)
}

/// The meaning of an answer over HTTP.
fn judged(status: StatusCode, headers: &header::HeaderMap, body: &[u8]) -> Result<Taken, Refused> {
    if status.is_success() {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        return taken(kind, body).ok_or_else(|| not_otlp(status, kind));
    }
    let again = match (status.as_u16(), retry_after(headers)) {
        (413, _) => Again::Smaller,
        // The collector's own receiver answers 400 where its limit for bodies is exceeded.
        (400, _) if contains(body, b"body too large") => Again::Smaller,
        (429 | 502 | 503 | 504, Some(after)) => Again::After(after),
        (429 | 502 | 503 | 504, None) => Again::Soon,
        _ => Again::Never,
    };
    Err(Refused { words: format!("the collector answered {status}"), again })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The header `Retry-After` in seconds. Absent for a date, which is not read.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let after = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    after.trim().parse().ok().map(Duration::from_secs)
}

/// The answer to an accepted request. Absent if the body is no answer of OTLP, but for example the page of a login, of a
/// proxy or of a wrong path.
///
/// By the specification (OTLP/HTTP, "Success": `https://opentelemetry.io/docs/specs/otlp/#success`) the body of a
/// success is an encoded `Export…ServiceResponse`, whose content type is that of the request. A response without
/// fields has no bytes in protobuf, so an empty body is a success whatever its content type. Some receivers answer
/// protobuf in JSON, or without a proper content type. Every body that can be decoded as such a response is taken for one,
/// but text and HTML never.
fn taken(kind: Option<&str>, body: &[u8]) -> Option<Taken> {
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let answer = if body.is_empty() {
        Answer::default()
    } else if kind.starts_with("text/") {
        return None;
    } else if kind.starts_with("application/json") {
        serde_json::from_slice(body).ok()?
    } else {
        Answer::decode(body).ok()?
    };
    let partial = answer.partial.unwrap_or_default();
    Some(Taken { rejected: u64::try_from(partial.rejected).unwrap_or(0), words: partial.words })
}

fn not_otlp(status: StatusCode, kind: Option<&str>) -> Refused {
    let kind = kind.unwrap_or("a body of no known type");
    let words = format!(
        "not an OTLP endpoint: it answered {status} with {kind}, not with a response of OTLP; check the URL and its path"
    );
    Refused { words, again: Again::Never }
}

/// Reads an answer over gRPC.
pub(super) fn answered_grpc(body: &[u8]) -> Result<Taken, Refused> {
    taken(None, body).ok_or_else(|| not_otlp(StatusCode::OK, Some("another message of gRPC")))
}

/// A connection that failed, which may succeed the next time.
pub(super) fn passing(error: impl std::error::Error + 'static) -> Refused {
    Refused { words: Chain(&error).to_string(), again: Again::Soon }
}

/// The meaning of an error over gRPC.
pub(super) fn refused_grpc(status: &Status) -> Refused {
    let after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let again = match (status.code(), after) {
        (Code::ResourceExhausted | Code::OutOfRange, None) if is_too_large(status.message()) => {
            Again::Smaller
        }
        (Code::ResourceExhausted, None) => Again::Never,
        (
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss,
            after,
        ) => after.map_or(Again::Soon, Again::After),
        // The transport's own errors have no code.
        (Code::Unknown, _) if std::error::Error::source(status).is_some() => Again::Soon,
        _ => Again::Never,
    };
    let words = match std::error::Error::source(status) {
        Some(source) => Chain(source).to_string(),
        None => format!("the collector answered {:?}: {}", status.code(), status.message()),
    };
    Refused { words, again }
}

/// gRPC has no status of its own for a message that is too large. These are the words of the servers in Go, in Java and of
/// tonic.
fn is_too_large(words: &str) -> bool {
    ["message larger than max", "message exceeds maximum size", "message length too large"]
        .iter()
        .any(|known| words.contains(known))
}
