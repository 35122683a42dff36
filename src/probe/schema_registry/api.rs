//! The requests to a node, as Confluent's registry and those that are compatible with it answer them.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{level::Level, mode::Mode, subjects::Subjects};
use crate::rest::{Answer, Change, Client, Failure, Fault, Node, Request};

/// The longest list of subjects that is read, in bytes: about a hundred thousand names.
const LONGEST_LIST: usize = 8 << 20;

/// The longest other answer that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// The content type of the registry.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// The number of the error that a registry in the mode `READONLY` answers writes with.
pub(super) const NOT_PERMITTED: u64 = 42205;

/// The answer to a request for the mode.
#[derive(Deserialize)]
struct ModeAnswer {
    mode: String,
}

/// The answer to a request for the compatibility level.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelAnswer {
    compatibility_level: Option<String>,
}

fn request<'a>(path: &'a [&'a str], longest: usize, deadline: Instant) -> Request<'a> {
    Request { path, query: &[], change: None, content_type: CONTENT_TYPE, longest, deadline }
}

/// The subjects of the registry.
///
/// # Errors
/// The node does not answer with a list of names until the deadline.
pub(super) async fn subjects(
    client: &Client,
    node: &Node,
    deadline: Instant,
) -> Result<Answer<Subjects>, Failure> {
    client.send(node, request(&["subjects"], LONGEST_LIST, deadline)).await
}

/// The mode of the registry. `None` if the node does not report it: it is a fact beside the others, and some registries have none.
pub(super) async fn mode(client: &Client, node: &Node, deadline: Instant) -> Option<Mode> {
    let answer = client.send::<ModeAnswer>(node, request(&["mode"], LONGEST, deadline)).await;
    Some(Mode::named(&answer.ok()?.content.mode))
}

/// The name of the compatibility level of a subject. `None` if none is set for the subject.
///
/// # Errors
/// The node does not answer with a level until the deadline.
pub(super) async fn level(
    client: &Client,
    node: &Node,
    subject: &str,
    deadline: Instant,
) -> Result<Option<String>, Failure> {
    let path = ["config", subject];
    match client.send::<LevelAnswer>(node, request(&path, LONGEST, deadline)).await {
        Ok(answer) => Ok(answer.content.compatibility_level),
        Err(failure) if failure.fault == Fault::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Sets the compatibility level of a subject.
///
/// # Errors
/// The node does not acknowledge the write until the deadline.
pub(super) async fn set_level(
    client: &Client,
    node: &Node,
    subject: &str,
    level: Level,
    deadline: Instant,
) -> Result<Answer<Value>, Failure> {
    let path = ["config", subject];
    let change = Some(Change::Put(json!({ "compatibility": level.as_str() })));
    client.send(node, Request { change, ..request(&path, LONGEST, deadline) }).await
}
