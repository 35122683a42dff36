//! Brokers that close connections at once, respond with wrong ids, list thousands of brokers, stop reading, or have no
//! address.

use std::net::{SocketAddr, TcpListener};

use futures_util::future::join_all;
use kafka_heartbeat::kafka::{
    Fault,
    admin::{self, Topics},
    wire::VersionRange,
};
use kafka_protocol::{
    messages::{
        ApiVersionsRequest, ApiVersionsResponse, BrokerId, MetadataRequest, MetadataResponse, TopicName,
        metadata_request::MetadataRequestTopic, metadata_response::MetadataResponseBroker,
    },
    protocol::StrBytes,
};

use super::*;
use crate::fake::{Reply, metadata};

const METADATA: VersionRange = VersionRange { lowest: 4, highest: 12 };

/// The time limit of one request, which is enough for several delays between waves.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The address of a broker that closes each connection at once, and the number of connections that it accepted.
async fn closing_broker() -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    (address, accepted)
}

fn of_servers(servers: &[String]) -> Cluster {
    Cluster::new(Arc::new(client(&[("bootstrap.servers", &servers.join(","))])), TIMEOUT)
}

#[tokio::test]
async fn brokers_that_accept_and_close_connections_delay_no_response_and_get_no_further_request() {
    let closing = join_all((0..20).map(|_| closing_broker())).await;
    let healthy = Fake::start().await;
    let servers = closing.iter().map(|(address, _)| address).chain([&healthy.address]);
    let cluster = of_servers(&servers.map(SocketAddr::to_string).collect::<Vec<_>>());
    let begun = Instant::now();
    for _ in 0..10 {
        admin::metadata(&cluster, Topics::All).await.unwrap();
    }
    assert!(begun.elapsed() < TIMEOUT, "a closed connection is noticed at once: {:?}", begun.elapsed());
    let accepted = |(_, count): &(_, Arc<std::sync::atomic::AtomicUsize>)| {
        count.load(std::sync::atomic::Ordering::SeqCst)
    };
    assert!(
        closing.iter().all(|broker| accepted(broker) <= 1),
        "the healthy broker gets the further requests"
    );
    let alone = of_servers(&[closing[0].0.to_string()]);
    let error = admin::metadata(&alone, Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Disconnected, "{}", words(&error));
    assert!(accepted(&closing[0]) <= 2, "one request opens one connection");
}

#[tokio::test]
async fn brokers_that_respond_with_another_correlation_id_do_not_hide_a_healthy_one() {
    let wrong = join_all((0..6).map(|_| Fake::start())).await;
    for (number, fake) in wrong.iter().enumerate() {
        if number % 2 == 0 {
            fake.on(|_: ApiVersionsRequest, _| Reply::Misnumbered(ApiVersionsResponse::default()));
        } else {
            fake.on(|_: MetadataRequest, _| Reply::Misnumbered(MetadataResponse::default()));
        }
    }
    let healthy = Fake::start().await;
    let servers: Vec<&Fake> = wrong.iter().chain([&healthy]).collect();
    let answer = admin::metadata(&cluster(&servers, TIMEOUT), Topics::All).await.unwrap();
    assert_eq!(answer.cluster_id.as_deref(), Some("fake-cluster"), "the answer of the healthy broker");
    let servers: Vec<&Fake> = wrong.iter().collect();
    let error = admin::metadata(&cluster(&servers, TIMEOUT), Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Protocol, "{}", words(&error));
}

#[tokio::test]
async fn metadata_with_ten_thousand_brokers_opens_a_bounded_number_of_connections() {
    // No program accepts the connections: the operating system completes them, and no request is answered.
    let silent: Vec<_> = (0..400).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let healthy = Fake::start().await;
    let ports = silent.iter().map(|listener| listener.local_addr().unwrap().port());
    let broker = |(id, port): (i32, u16)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(i32::from(port))
    };
    // No program listens at the ports below 1024.
    let others = (0..9_600).map(|number| number % 1_023 + 1);
    let listed =
        metadata(&[&healthy], "", &[]).with_brokers((1..).zip(ports.chain(others)).map(broker).collect());
    healthy.on(move |_: MetadataRequest, call| match call.number {
        1 => Reply::Silence,
        _ => Reply::Answer(listed.clone()),
    });
    let cluster = cluster(&[&healthy], TIMEOUT);
    assert_eq!(admin::metadata(&cluster, Topics::All).await.unwrap().brokers.len(), 10_000);
    let begun = Instant::now();
    admin::metadata(&cluster, Topics::All).await.unwrap_err();
    assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(2), "{:?}", begun.elapsed());
    let asked = silent.iter().filter(|listener| {
        listener.set_nonblocking(true).unwrap();
        listener.accept().is_ok()
    });
    let asked = asked.count();
    assert!((64..=128).contains(&asked), "{asked} connections at the same time");
    // The bootstrap server gets a request again after the brokers that did not respond.
    for _ in 0..6 {
        if admin::metadata(&cluster, Topics::All).await.is_ok() {
            return;
        }
    }
    panic!("the healthy broker gets no request any more");
}

#[tokio::test]
async fn broker_that_stops_reading_fails_its_requests_and_takes_one_connection() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, _| Reply::After(10 * AMPLE, MetadataResponse::default()));
    let connection = connection(&fake).await;
    let deadline = Instant::now() + Duration::from_secs(2);
    let small = MetadataRequest::default();
    // Far more than the buffers of both sockets take.
    let name = |number| TopicName(StrBytes::from_string(format!("{number:0200}")));
    let topics = (0..100_000).map(|number| MetadataRequestTopic::default().with_name(Some(name(number))));
    let large = MetadataRequest::default().with_topics(Some(topics.collect()));
    let begun = Instant::now();
    let (first, second, third) = tokio::join!(
        connection.ask(&small, METADATA, deadline),
        connection.ask(&large, METADATA, deadline),
        connection.ask(&small, METADATA, deadline),
    );
    for answer in [first, second, third] {
        assert_eq!(answer.unwrap_err().fault(), Fault::Timeout);
    }
    assert!(begun.elapsed() < AMPLE / 2 && !connection.is_open(), "{:?}", begun.elapsed());
    let good = Fake::start().await;
    let servers = cluster(&[&fake, &good], TIMEOUT);
    admin::metadata(&servers, Topics::All).await.unwrap();
}

#[tokio::test]
async fn bootstrap_names_without_an_address_do_not_hide_a_healthy_broker() {
    let healthy = Fake::start().await;
    let mut servers: Vec<_> = (0..100).map(|number| format!("no-such-host-{number}.invalid:9092")).collect();
    let only_names = of_servers(&servers);
    servers.push(healthy.address.to_string());
    let cluster = of_servers(&servers);
    let begun = Instant::now();
    admin::metadata(&cluster, Topics::All).await.unwrap();
    assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    let error = admin::metadata(&only_names, Topics::All).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Dns | Fault::Timeout), "{}", words(&error));
}
