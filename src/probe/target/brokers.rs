//! A session with each broker that the metadata of the target list.
//!
//! The target chooses what its metadata list. An address that the module does not allow is not contacted, or a broker could
//! make this service look for open ports in the network behind it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    address::Address,
    report::{BrokerCheck, Failure, NotChecked},
};
use crate::{
    config::Targets,
    kafka::{
        BrokerId,
        admin::Broker,
        wire::{Client, open_until},
    },
};

/// The largest number of brokers that one probe checks. No known cluster has more, and a list of thousands must not become
/// thousands of connections.
pub(super) const MAX_BROKERS: usize = 256;

/// The number of sessions that one probe opens at the same time. All eight probes together need at most 256 file descriptors.
const MOST_AT_ONCE: usize = 32;

/// Opens a session with each of the brokers that is allowed, until the deadline. Brokers beyond [`MAX_BROKERS`] are not
/// checked, and only the first of them is in the result: a label for each of thousands would be too much to expose.
pub(super) async fn check(
    client: &Client,
    targets: &Targets,
    brokers: &BTreeMap<BrokerId, Broker>,
    deadline: Instant,
) -> BTreeMap<BrokerId, BrokerCheck> {
    let slots = &Semaphore::new(MOST_AT_ONCE);
    let checks = brokers.iter().take(MAX_BROKERS).map(|(id, broker)| async move {
        let address = Address::new(&broker.host, broker.port);
        let check = match address.filter(|address| targets.allow(&address.to_string())) {
            Some(address) => session(client, &address, slots, deadline).await,
            None => BrokerCheck::NotChecked(NotChecked::NotAllowed),
        };
        (*id, check)
    });
    let beyond = brokers.keys().nth(MAX_BROKERS).map(|id| (*id, BrokerCheck::NotChecked(NotChecked::Limit)));
    join_all(checks).await.into_iter().chain(beyond).collect()
}

/// Opens a session, and closes it.
async fn session(client: &Client, address: &Address, slots: &Semaphore, deadline: Instant) -> BrokerCheck {
    let Ok(_slot) = timeout_at(deadline, slots.acquire()).await else {
        return BrokerCheck::NotChecked(NotChecked::Time);
    };
    let opening = open_until(client, address.endpoint(), deadline).await;
    match opening.result {
        Ok(_) => BrokerCheck::Good(opening.stages.iter().map(|(_, took)| *took).sum()),
        Err(error) => BrokerCheck::Failed(Failure::of_session(&error)),
    }
}
