//! Requests that both clients can send or answer: the partitions of a topic, and the fatal error of a client.

use std::{collections::BTreeSet, time::Duration};

use rdkafka::{ClientContext, client::Client};

use super::errors::refused;
use crate::{kafka::Error, text::plain};

/// The partitions of a topic. The client keeps the partitions and their leaders for later.
pub(super) fn describe<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    limit: Duration,
) -> Result<BTreeSet<i32>, Error> {
    let answer = client.fetch_metadata(Some(topic), limit);
    let answer = answer.map_err(|error| refused("to describe the topic", &error))?;
    let described = answer.topics().iter().filter(|described| described.name() == topic);
    Ok(described.flat_map(|described| described.partitions()).map(|partition| partition.id()).collect())
}

/// The fatal error of a client as text. `None` while the client works.
pub(super) fn describe_failure<C: ClientContext>(client: &Client<C>) -> Option<String> {
    let (code, reason) = client.fatal_error()?;
    Some(format!("librdkafka reports the fatal error {code:?}: {}", plain(&reason)))
}
