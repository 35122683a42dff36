//! The wire client against a scripted broker: the faults of every stage, hostile frames, versions and routing.
//!
//! No test here needs Kafka. A duration in a test is a limit that must be reached or must not be reached. It is never a
//! guess at how long something takes.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kafka_heartbeat::{
    config::{Properties, Property},
    kafka::{
        Error, PropertyError,
        wire::{self, Client, Cluster, Connection, Endpoint, Opening},
    },
    text::Chain,
};
use tokio::time::{self, Instant};

#[path = "wire/admin.rs"]
mod admin;
#[path = "wire/ages.rs"]
mod ages;
#[path = "wire/collect.rs"]
mod collect;
#[path = "wire/coordinators.rs"]
mod coordinators;
#[path = "wire/durability.rs"]
mod durability;
#[path = "support/fake.rs"]
mod fake;
#[path = "wire/frames.rs"]
mod frames;
#[path = "wire/groups.rs"]
mod groups;
#[path = "wire/hedging.rs"]
mod hedging;
#[path = "wire/held.rs"]
mod held;
#[path = "wire/hostile.rs"]
mod hostile;
#[path = "wire/mirrors.rs"]
mod mirrors;
#[path = "wire/negative_checks.rs"]
mod negative_checks;
#[expect(dead_code, reason = "a fake keeps the listener of its port")]
#[path = "support/port.rs"]
mod port;
#[path = "wire/probes.rs"]
mod probes;
#[path = "wire/remote_reads.rs"]
mod remote_reads;
#[path = "wire/replicas.rs"]
mod replicas;
#[path = "wire/routing.rs"]
mod routing;
#[path = "wire/session_lifetime.rs"]
mod session_lifetime;
#[path = "wire/sessions.rs"]
mod sessions;
#[path = "wire/stored.rs"]
mod stored;
#[path = "wire/tls.rs"]
mod tls;
#[path = "wire/topics.rs"]
mod topics;
#[path = "wire/transaction_coordinators.rs"]
mod transaction_coordinators;

use fake::Fake;

/// A limit for everything that must not time out.
const AMPLE: Duration = Duration::from_secs(20);

/// A limit for everything that must time out.
const SHORT: Duration = Duration::from_millis(300);

fn properties(pairs: &[(&str, &str)]) -> Properties {
    let property = |value: &str| Property { value: value.to_owned(), place: "test".to_owned() };
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), property(value)));
    Properties([("bootstrap.servers".to_owned(), property("unused:1"))].into_iter().chain(pairs).collect())
}

fn parse(pairs: &[(&str, &str)]) -> Result<Client, Vec<PropertyError>> {
    Client::from_properties("k", &properties(pairs))
}

fn client(pairs: &[(&str, &str)]) -> Client {
    parse(pairs).unwrap()
}

fn cluster(bootstrap: &[&Fake], timeout: Duration) -> Cluster {
    let servers: Vec<_> = bootstrap.iter().map(|fake| fake.address.to_string()).collect();
    Cluster::new(Arc::new(client(&[("bootstrap.servers", &servers.join(","))])), timeout)
}

async fn open(client: &Client, endpoint: &Endpoint) -> Opening {
    wire::open(client, endpoint, AMPLE).await
}

async fn connection(fake: &Fake) -> Connection {
    open(&client(&[]), &fake.endpoint()).await.result.unwrap()
}

fn soon() -> Instant {
    Instant::now() + AMPLE
}

/// An error and its causes, as a log would show them.
fn words(error: &Error) -> String {
    Chain(error).to_string()
}

/// Waits for a condition. There is no other way to see that a socket was closed.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waited = time::timeout(AMPLE, async {
        while !condition() {
            time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// The error of each property, by key.
fn refusals(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    parse(pairs).unwrap_err().into_iter().map(|error| (error.key, error.message)).collect()
}
