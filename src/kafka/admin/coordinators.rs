//! Which broker coordinates a group.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use kafka_protocol::{
    messages::{self, FindCoordinatorRequest},
    protocol::StrBytes,
};

use super::protocol::{check, known};
use crate::{
    kafka::{BrokerId, Error, Fault, wire},
    text::plain,
};

/// From version 4 on (Kafka 3.0, KIP-699) one request names many groups.
const FIND_MANY: wire::VersionRange = wire::VersionRange { lowest: 4, highest: 6 };
const FIND_ONE: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 3 };

/// Kafka's number for a consumer group among what has a coordinator.
const GROUP: i8 = 0;

/// Older brokers are asked for one group after the other, but for so many at the same time.
const AT_ONCE: usize = 16;

/// The brokers to ask about these groups, or why one cannot be named: [`Fault::NoLeader`] while its
/// partition of `__consumer_offsets` has none.
///
/// # Errors
/// When no broker answered.
pub async fn coordinators(
    cluster: &wire::Cluster,
    groups: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let keys = groups.iter().map(|group| StrBytes::from_string((*group).to_owned())).collect();
    let request = FindCoordinatorRequest::default().with_key_type(GROUP).with_coordinator_keys(keys);
    let answer = match cluster.ask_any(&request, FIND_MANY).await {
        Err(error) if error.fault() == Fault::Unsupported => return one_by_one(cluster, groups).await,
        answer => answer?,
    };
    let told = answer.coordinators.into_iter().map(|told| {
        let group = told.key.to_string();
        let coordinator = coordinator(&group, told.node_id, told.error_code, told.error_message);
        (group, coordinator)
    });
    let mut told: BTreeMap<_, _> = told.collect();
    let asked = groups.iter().map(|group| {
        let forgotten = || Err(Error::new(Fault::Protocol, what(group)).because("not in the answer"));
        ((*group).to_owned(), told.remove(*group).unwrap_or_else(forgotten))
    });
    Ok(asked.collect())
}

async fn one_by_one(
    cluster: &wire::Cluster,
    groups: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let asked: Vec<_> = groups.iter().map(|group| find_one(cluster, group)).collect();
    Ok(stream::iter(asked).buffer_unordered(AT_ONCE).collect().await)
}

async fn find_one(cluster: &wire::Cluster, group: &str) -> (String, Result<BrokerId, Error>) {
    let key = StrBytes::from_string(group.to_owned());
    let request = FindCoordinatorRequest::default().with_key_type(GROUP).with_key(key);
    let answer = cluster.ask_any(&request, FIND_ONE).await;
    let found = answer.and_then(|told| coordinator(group, told.node_id, told.error_code, told.error_message));
    (group.to_owned(), found)
}

fn coordinator(
    group: &str,
    node: messages::BrokerId,
    code: i16,
    words: Option<StrBytes>,
) -> Result<BrokerId, Error> {
    check(code, &what(group), words)?;
    known(node).ok_or_else(|| Error::new(Fault::NoLeader, what(group)))
}

fn what(group: &str) -> String {
    format!("the coordinator of group {}", plain(group))
}
