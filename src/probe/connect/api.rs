//! The requests to a worker, as Kafka Connect answers them.

use std::{sync::Arc, time::SystemTime};

use serde::{Deserialize, de::IgnoredAny};
use tokio::time::Instant;

use super::{
    connectors::Connectors,
    failures::FailedPart,
    listing::{self, Listing},
};
use crate::{
    config::ConnectCluster,
    rest::{Answer, Client, Failure, Node, Request},
};

/// The longest list of connectors that is read, in bytes: 10,000 tasks that have all failed with traces of 3,000 characters.
const LONGEST_LIST: usize = 32 << 20;

/// The longest other answer that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// What a worker says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Root {
    /// The version of Kafka Connect.
    pub(super) version: String,
    /// The id of the Kafka cluster of the worker. `None` before Kafka 1.0, and if the worker does not know it.
    pub(super) kafka_cluster_id: Option<String>,
}

fn request<'a>(path: &'a [&'a str], longest: usize, deadline: Instant) -> Request<'a> {
    Request { path, query: &[], change: None, content_type: "application/json", longest, deadline }
}

/// The version of a worker and the id of its Kafka cluster.
///
/// # Errors
/// The worker does not answer as Connect does until the deadline.
pub(super) async fn root(client: &Client, node: &Node, deadline: Instant) -> Result<Answer<Root>, Failure> {
    client.send(node, request(&[], LONGEST, deadline)).await
}

/// Whether a worker is healthy: it has started, and its main thread does its work.
///
/// # Errors
/// The worker is not healthy, or does not offer the request.
pub(super) async fn health(
    client: &Client,
    node: &Node,
    deadline: Instant,
) -> Result<Answer<IgnoredAny>, Failure> {
    client.send(node, request(&["health"], LONGEST, deadline)).await
}

/// The connectors that a worker lists, followed from those of the cycle before, and the parts whose failure is an event.
///
/// # Errors
/// The worker does not answer with connectors until the deadline.
pub(super) async fn connectors(
    client: &Client,
    node: &Node,
    deadline: Instant,
    (settings, before, at): (Arc<ConnectCluster>, Option<Arc<Connectors>>, SystemTime),
) -> Result<Answer<(Connectors, Vec<FailedPart>)>, Failure> {
    let request =
        Request { query: &[("expand", "status")], ..request(&["connectors"], LONGEST_LIST, deadline) };
    let follow = move |listing: Listing| Connectors::next(before.as_deref(), listing);
    let read = move |body: &[u8]| listing::read(body, &settings.connectors, at).map(follow);
    client.send_and_read(node, request, read).await
}
