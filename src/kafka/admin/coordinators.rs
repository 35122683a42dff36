//! The brokers that coordinate groups, from FindCoordinator requests.

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

/// Kafka's number for the key type of a consumer group.
const KEY_TYPE_GROUP: i8 = 0;

/// The number of requests at the same time to brokers whose requests name only one group.
const REQUESTS_AT_ONCE: usize = 16;

/// The coordinators of these groups, each with an error if the group has none: [`Fault::NoLeader`] while its partition of
/// `__consumer_offsets` has no leader.
///
/// # Errors
/// When no broker answered.
pub async fn coordinators(
    cluster: &wire::Cluster,
    groups: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let keys = groups.iter().map(|group| StrBytes::from_string((*group).to_owned())).collect();
    let request = FindCoordinatorRequest::default().with_key_type(KEY_TYPE_GROUP).with_coordinator_keys(keys);
    let answer = match cluster.ask_any(&request, FIND_MANY).await {
        Err(error) if error.fault() == Fault::Unsupported => return one_by_one(cluster, groups).await,
        answer => answer?,
    };
    let found = answer.coordinators.into_iter().map(|found| {
        let group = found.key.to_string();
        let coordinator = coordinator(&group, found.node_id, found.error_code, found.error_message);
        (group, coordinator)
    });
    let mut found: BTreeMap<_, _> = found.collect();
    let coordinators = groups.iter().map(|group| {
        let missing = || Err(Error::new(Fault::Protocol, what(group)).because("not in the answer"));
        ((*group).to_owned(), found.remove(*group).unwrap_or_else(missing))
    });
    Ok(coordinators.collect())
}

/// The coordinators of groups, with one request for each group.
async fn one_by_one(
    cluster: &wire::Cluster,
    groups: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let asked: Vec<_> = groups.iter().map(|group| find_one(cluster, group)).collect();
    Ok(stream::iter(asked).buffer_unordered(REQUESTS_AT_ONCE).collect().await)
}

async fn find_one(cluster: &wire::Cluster, group: &str) -> (String, Result<BrokerId, Error>) {
    let key = StrBytes::from_string(group.to_owned());
    let request = FindCoordinatorRequest::default().with_key_type(KEY_TYPE_GROUP).with_key(key);
    let answer = cluster.ask_any(&request, FIND_ONE).await;
    let found =
        answer.and_then(|found| coordinator(group, found.node_id, found.error_code, found.error_message));
    (group.to_owned(), found)
}

fn coordinator(
    group: &str,
    node: messages::BrokerId,
    code: i16,
    message: Option<StrBytes>,
) -> Result<BrokerId, Error> {
    check(code, &what(group), message)?;
    known(node).ok_or_else(|| Error::new(Fault::NoLeader, what(group)))
}

/// Names the request for errors.
fn what(group: &str) -> String {
    format!("the coordinator of group {}", plain(group))
}
