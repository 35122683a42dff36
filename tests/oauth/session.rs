//! The wire client prolongs its session at a real broker, before the broker ends it (KIP-368).

use std::{
    collections::BTreeSet,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_heartbeat::{
    config::{Properties, Property},
    kafka::wire::{Client, Cluster, VersionRange},
};
use kafka_protocol::messages::MetadataRequest;

use crate::{
    service::client,
    support::oauth::{
        broker,
        oidc::{AUDIENCE, OidcServer},
    },
};

/// The lifetime of a session at the broker.
const LIFETIME: Duration = Duration::from_secs(3);

const PATIENCE: Duration = Duration::from_secs(20);

/// The local ports of the connections to this port.
fn connections_to(port: u16) -> BTreeSet<String> {
    let sockets = fs::read_to_string("/proc/net/tcp").expect("the sockets");
    let fields = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let peer = format!(":{port:04X}");
    let ours = fields.filter(|fields| fields[2].ends_with(&peer) && fields[3] == "01");
    ours.map(|fields| fields[1].to_owned()).collect()
}

#[test]
fn session_is_prolonged_on_one_connection() {
    let Some(oidc) = OidcServer::start() else { return };
    let Some(kafka) = broker::start(&oidc, LIFETIME) else { return };
    let bootstrap = kafka.bootstrap();
    let mut properties = client(&oidc, AUDIENCE);
    properties.push(format!("bootstrap.servers={bootstrap}"));
    properties.push("security.protocol=SASL_PLAINTEXT".to_owned());
    let pairs = properties.iter().map(|property| {
        let (key, value) = property.split_once('=').expect("a key and a value");
        (key.to_owned(), Property { value: value.to_owned(), place: "test".to_owned() })
    });
    let port = bootstrap.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = Client::from_properties("k", &Properties(pairs.collect())).expect("properties");
        let client = Arc::new(client);
        let cluster = Cluster::new(client.clone(), PATIENCE);
        let (mut asked, mut connections) = (0, BTreeSet::new());
        let end = Instant::now() + 3 * LIFETIME;
        while Instant::now() < end {
            let request = MetadataRequest::default();
            let range = VersionRange { lowest: 4, highest: 4 };
            cluster.ask_any(&request, range).await.expect("an answer");
            asked += 1;
            connections.extend(connections_to(port));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(connections.len(), 1, "{connections:?}");
        // One request for the versions of the broker, and two for each login.
        let logins = (client.requests() - asked - 1) / 2;
        assert!((4..=6).contains(&logins), "{logins} logins");
    });
}
