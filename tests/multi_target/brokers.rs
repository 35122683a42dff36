//! The brokers that the metadata of a target list, which a hostile target chooses.

use kafka_protocol::{
    messages::{ApiVersionsRequest, BrokerId, MetadataRequest, metadata_response::MetadataResponseBroker},
    protocol::StrBytes,
};

use super::{
    Server, assert_failed,
    fake::{Fake, Reply, metadata},
    value,
};

#[tokio::test]
async fn every_broker_of_the_metadata_is_checked_if_the_module_says_so() {
    let (target, other) = (Fake::start().await, Fake::start().await);
    let both = metadata(&[&target, &other], "", &[]);
    target.on(move |_: MetadataRequest, _| Reply::Answer(both.clone()));
    let few = Server::start(&[]).await.probe(target.address).await;
    assert_eq!((few.only("probe_success"), few.only("probe_kafka_brokers")), (1.0, 2.0));
    assert_eq!(other.accepted(), 0, "the target alone is checked");
    let server = Server::start(&[("brokers", "all")]).await;
    let found = server.probe(target.address).await;
    assert_eq!(found.only("probe_success"), 1.0, "{:?}", found.samples());
    for broker in ["1", "2"] {
        assert_eq!(value(&found, "probe_broker_success", &[broker]), Some(1.0), "{broker}");
        assert!(value(&found, "probe_broker_duration_seconds", &[broker]).is_some(), "{broker}");
    }
    other.on(|_: ApiVersionsRequest, _| Reply::Close);
    let found = server.probe(target.address).await;
    assert_eq!(found.only("probe_success"), 0.0);
    assert_eq!(value(&found, "probe_broker_success", &["1"]), Some(1.0));
    assert_eq!(value(&found, "probe_broker_success", &["2"]), Some(0.0));
    let labels = ["2", "api_versions", "disconnected"];
    assert_eq!(value(&found, "probe_broker_failed_stage", &labels), Some(1.0));
    assert!(!found.families().any(|name| name == "probe_failed_stage"), "the target itself works");
}

#[tokio::test]
async fn address_in_hostile_metadata_that_is_not_allowed_is_not_contacted() {
    let (target, victim) = (Fake::start().await, Fake::start().await);
    let mut hostile = metadata(&[&target, &victim], "", &[]);
    let listed = |id: i32, host: &str, port: i32| {
        let host = StrBytes::from_string(host.to_owned());
        MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host(host).with_port(port)
    };
    let port = i32::from(victim.address.port());
    hostile.brokers.push(listed(3, "localhost", port));
    hostile.brokers.push(listed(4, &format!("127.0.0.1:{}\n", target.address.port()), port));
    hostile.brokers.push(listed(5, "127.1", port));
    hostile.cluster_id = Some(StrBytes::from_string(format!("\"}}\n{}", "x".repeat(10_000))));
    target.on(move |_: MetadataRequest, _| Reply::Answer(hostile.clone()));
    let only = format!(r"127\.0\.0\.1:{}", target.address.port());
    let server = Server::start(&[("targets", &only), ("brokers", "all")]).await;
    let found = server.probe(target.address).await;
    assert_eq!(found.only("probe_success"), 0.0, "not every broker was checked");
    assert_eq!(value(&found, "probe_broker_success", &["1"]), Some(1.0));
    for broker in ["2", "3", "4", "5"] {
        assert_eq!(
            value(&found, "probe_broker_not_checked", &[broker, "not_allowed"]),
            Some(1.0),
            "{broker}"
        );
        assert_eq!(value(&found, "probe_broker_success", &[broker]), None, "{broker}");
    }
    assert_eq!(victim.accepted(), 0);
    let cluster = found.labels_of("probe_kafka_cluster_info", "cluster_id");
    assert!(cluster.iter().all(|id| id.chars().count() <= 200 && !id.contains('\n')), "{cluster:?}");
}

#[tokio::test]
async fn thousands_of_listed_brokers_become_neither_connections_nor_labels() {
    let target = Fake::start().await;
    let own = metadata(&[&target], "", &[]);
    let mut hostile = own.clone();
    hostile.brokers = (1..=5000).map(|id| own.brokers[0].clone().with_node_id(BrokerId(id))).collect();
    target.on(move |_: MetadataRequest, _| Reply::Answer(hostile.clone()));
    let server = Server::start(&[("brokers", "all"), ("timeout", "60s")]).await;
    let found = server.probe(target.address).await;
    assert_eq!(found.only("probe_kafka_brokers"), 5000.0);
    assert_eq!(found.labels_of("probe_broker_success", "broker_id").len(), 256);
    assert_eq!(value(&found, "probe_broker_not_checked", &["257", "limit"]), Some(1.0));
    assert_eq!(found.labels_of("probe_broker_not_checked", "broker_id").len(), 1);
    assert_eq!(target.accepted(), 257);
    assert_eq!(found.only("probe_success"), 0.0);
}

#[tokio::test]
async fn answer_of_more_than_a_mebibyte_is_refused() {
    let target = Fake::start().await;
    let own = metadata(&[&target], "", &[]);
    target.on(move |_: MetadataRequest, _| Reply::Padded(own.clone(), 1 << 20));
    let found = Server::start(&[]).await.probe(target.address).await;
    assert_failed(&found, "metadata", "protocol");
}
