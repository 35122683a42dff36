//! The brokers that coordinate groups and transactions, from FindCoordinator requests.

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

/// What a broker coordinates. The numbers are Kafka's key types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coordinated {
    /// Groups, by their names.
    Groups = 0,
    /// Transactions, by the transactional ids of their producers.
    Transactions = 1,
}

impl Coordinated {
    /// What a broker coordinates, in the plural.
    pub fn many(self) -> &'static str {
        match self {
            Coordinated::Groups => "consumer groups",
            Coordinated::Transactions => "transactions",
        }
    }

    /// The name of one of them for errors.
    fn one(self) -> &'static str {
        match self {
            Coordinated::Groups => "group",
            Coordinated::Transactions => "transactional id",
        }
    }
}

/// The number of requests at the same time to brokers whose requests name only one group.
const REQUESTS_AT_ONCE: usize = 16;

/// The coordinators of these groups or transactional ids, each with an error if it has none: [`Fault::NoLeader`] while its
/// partition of `__consumer_offsets` or `__transaction_state` has no leader.
///
/// # Errors
/// When no broker answered.
pub async fn coordinators(
    cluster: &wire::Cluster,
    of: Coordinated,
    names: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let keys = names.iter().map(|name| StrBytes::from_string((*name).to_owned())).collect();
    let request = FindCoordinatorRequest::default().with_key_type(of as i8).with_coordinator_keys(keys);
    let answer = match cluster.ask_any(&request, FIND_MANY).await {
        Err(error) if error.fault() == Fault::Unsupported => return one_by_one(cluster, of, names).await,
        answer => answer?,
    };
    let found = answer.coordinators.into_iter().map(|found| {
        let name = found.key.to_string();
        let coordinator = coordinator(of, &name, found.node_id, found.error_code, found.error_message);
        (name, coordinator)
    });
    let mut found: BTreeMap<_, _> = found.collect();
    let coordinators = names.iter().map(|name| {
        let missing = || Err(Error::new(Fault::Protocol, what(of, name)).because("not in the answer"));
        ((*name).to_owned(), found.remove(*name).unwrap_or_else(missing))
    });
    Ok(coordinators.collect())
}

/// The coordinators, with one request for each name.
async fn one_by_one(
    cluster: &wire::Cluster,
    of: Coordinated,
    names: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let asked: Vec<_> = names.iter().map(|name| find_one(cluster, of, name)).collect();
    Ok(stream::iter(asked).buffer_unordered(REQUESTS_AT_ONCE).collect().await)
}

async fn find_one(cluster: &wire::Cluster, of: Coordinated, name: &str) -> (String, Result<BrokerId, Error>) {
    let key = StrBytes::from_string(name.to_owned());
    let request = FindCoordinatorRequest::default().with_key_type(of as i8).with_key(key);
    let answer = cluster.ask_any(&request, FIND_ONE).await;
    let found =
        answer.and_then(|found| coordinator(of, name, found.node_id, found.error_code, found.error_message));
    (name.to_owned(), found)
}

fn coordinator(
    of: Coordinated,
    name: &str,
    node: messages::BrokerId,
    code: i16,
    message: Option<StrBytes>,
) -> Result<BrokerId, Error> {
    check(code, &what(of, name), message)?;
    known(node).ok_or_else(|| Error::new(Fault::NoLeader, what(of, name)))
}

/// Names the request for errors.
fn what(of: Coordinated, name: &str) -> String {
    format!("the coordinator of {} {}", of.one(), plain(name))
}
