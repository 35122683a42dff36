//! Requests that any broker can answer, while some brokers are silent, refuse the login, or are too old.

use futures_util::future::join_all;
use kafka_heartbeat::kafka::{
    BrokerId, Fault,
    admin::{self, Topics},
    wire::VersionRange,
};
use kafka_protocol::{
    messages::{
        ApiVersionsRequest, ApiVersionsResponse, DescribeQuorumRequest, DescribeQuorumResponse,
        MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse,
        api_versions_response::ApiVersion,
    },
    protocol::StrBytes,
};

use super::*;
use crate::fake::{Manners, Reply, metadata};

const METADATA: VersionRange = VersionRange { lowest: 4, highest: 12 };

/// The default of `[metadata] timeout`.
const USUAL_TIMEOUT: Duration = Duration::from_secs(5);

async fn mute() -> Fake {
    Fake::with(Manners::Mute, None).await
}

/// A cluster with a password, which these brokers do not have to accept.
fn with_login(fakes: &[&Fake]) -> Cluster {
    let servers: Vec<_> = fakes.iter().map(|fake| fake.address.to_string()).collect();
    let client = client(&[
        ("bootstrap.servers", &servers.join(",")),
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "me"),
        ("sasl.password", "hush"),
    ]);
    Cluster::new(Arc::new(client), USUAL_TIMEOUT)
}

/// A broker that knows this password.
async fn knows(password: &str) -> Fake {
    let fake = Fake::start().await;
    fake.plain("me", password);
    fake
}

/// Refuses every login after a while.
fn refuses_after(fake: &Fake, delay: Duration) {
    fake.plain("me", "another");
    fake.on(move |_: SaslAuthenticateRequest, _| {
        let words = Some(StrBytes::from_static_str("no"));
        let refusal = SaslAuthenticateResponse::default().with_error_code(58).with_error_message(words);
        Reply::After(delay, refusal)
    });
}

fn logins(fakes: &[Fake]) -> usize {
    fakes.iter().map(Fake::count::<SaslAuthenticateRequest>).sum()
}

#[tokio::test]
async fn five_silent_bootstrap_servers_do_not_hide_a_healthy_one() {
    let silent = join_all((0..5).map(|_| mute())).await;
    let healthy = Fake::start().await;
    let servers: Vec<&Fake> = silent.iter().chain([&healthy]).collect();
    let cluster = cluster(&servers, USUAL_TIMEOUT);
    let answer = admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!(answer.brokers.len(), 1);
    for _ in 0..3 {
        admin::metadata(&cluster, Topics::All).await.unwrap();
    }
    assert_eq!((healthy.accepted(), healthy.count::<MetadataRequest>()), (1, 4));
    assert!(silent.iter().all(|fake| fake.accepted() == 1), "a broker that was silent has lost its place");
}

#[tokio::test]
async fn five_silent_brokers_of_the_metadata_do_not_hide_a_healthy_one() {
    let fakes = join_all((0..6).map(|_| Fake::start())).await;
    let listed: Vec<&Fake> = fakes.iter().collect();
    let all = metadata(&listed, "", &[]);
    for fake in &fakes {
        let all = all.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(all.clone()));
    }
    let cluster = cluster(&[&fakes[0]], USUAL_TIMEOUT);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    for fake in &fakes[..5] {
        fake.on(|_: MetadataRequest, _| Reply::Silence);
    }
    let answer = admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!(answer.brokers.len(), 6);
    assert!(fakes[0].count::<MetadataRequest>() >= 2, "the silent favourite was asked");
    let asked: usize = fakes[..5].iter().map(Fake::count::<MetadataRequest>).sum();
    admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!(fakes[..5].iter().map(Fake::count::<MetadataRequest>).sum::<usize>(), asked);
}

#[tokio::test]
async fn fifty_silent_brokers_of_a_hundred_delay_the_response_by_less_than_one_timeout() {
    let silent = join_all((0..50).map(|_| mute())).await;
    let healthy = join_all((0..50).map(|_| Fake::start())).await;
    let servers: Vec<&Fake> = silent.iter().chain(&healthy).collect();
    let cluster = cluster(&servers, USUAL_TIMEOUT);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    // Brokers that got the request beside the one that responded may still receive it.
    let (mut asked, mut before) = (0, usize::MAX);
    while asked != before {
        tokio::time::sleep(Duration::from_millis(200)).await;
        before = asked;
        asked = healthy.iter().map(Fake::count::<MetadataRequest>).sum();
    }
    admin::metadata(&cluster, Topics::All).await.unwrap();
    let then: usize = healthy.iter().map(Fake::count::<MetadataRequest>).sum();
    assert!(then <= asked + 1, "{asked} requests, then {then}: the healthy broker is asked first, and alone");
}

#[tokio::test]
async fn healthy_brokers_never_get_the_same_request_twice() {
    let fakes = join_all((0..10).map(|_| Fake::start())).await;
    let servers: Vec<&Fake> = fakes.iter().collect();
    let cluster = cluster(&servers, AMPLE);
    for _ in 0..5 {
        admin::metadata(&cluster, Topics::All).await.unwrap();
    }
    let asked: usize = fakes.iter().map(Fake::count::<MetadataRequest>).sum();
    let accepted: usize = fakes.iter().map(Fake::accepted).sum();
    assert_eq!((asked, accepted), (5, 1));
}

#[tokio::test]
async fn brokers_that_moved_to_other_addresses_are_found_through_the_bootstrap_servers() {
    let old = join_all((0..6).map(|_| mute())).await;
    let server = Fake::start().await;
    let listed: Vec<&Fake> = old.iter().collect();
    let moved_away = metadata(&listed, "", &[]);
    let here = metadata(&[&server], "", &[]);
    server.on(move |_: MetadataRequest, call| {
        Reply::Answer(if call.number == 0 { moved_away.clone() } else { here.clone() })
    });
    let cluster = cluster(&[&server], USUAL_TIMEOUT);
    assert_eq!(admin::metadata(&cluster, Topics::All).await.unwrap().brokers.len(), 6);
    assert_eq!(admin::metadata(&cluster, Topics::All).await.unwrap().brokers.len(), 1);
}

#[tokio::test]
async fn broker_that_lost_against_a_faster_one_gets_the_next_request_at_once() {
    let (slow, fast) = (Fake::start().await, Fake::start().await);
    let both = metadata(&[&slow, &fast], "", &[]);
    for fake in [&slow, &fast] {
        let both = both.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(both.clone()));
    }
    // Only its first session hangs.
    slow.on(|_: ApiVersionsRequest, call| match call.number {
        0 => Reply::Silence,
        _ => Reply::Answer(ApiVersionsResponse::default().with_api_keys(vec![
            ApiVersion::default().with_api_key(3).with_min_version(0).with_max_version(12),
        ])),
    });
    let cluster = cluster(&[&slow, &fast], AMPLE);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!((slow.accepted(), fast.count::<MetadataRequest>()), (1, 1));
    let begun = Instant::now();
    cluster.ask(BrokerId(1), &MetadataRequest::default(), METADATA).await.unwrap();
    assert!(begun.elapsed() < AMPLE / 2, "the lock of its connection is free");

    assert_eq!(slow.accepted(), 2);
}

#[tokio::test]
async fn login_refused_by_one_broker_does_not_count_for_the_cluster() {
    for refusing_first in [true, false] {
        let (refusing, good) = (knows("another").await, knows("hush").await);
        let servers = if refusing_first { [&refusing, &good] } else { [&good, &refusing] };
        let cluster = with_login(&servers);
        for _ in 0..3 {
            admin::metadata(&cluster, Topics::All).await.unwrap();
        }
        assert_eq!(good.count::<MetadataRequest>(), 3);
        let refused = refusing.count::<SaslAuthenticateRequest>();
        assert_eq!(
            refused,
            usize::from(refusing_first),
            "a broker that refused the login gets no request while another broker answers"
        );
    }
}

#[tokio::test]
async fn login_refused_by_two_brokers_counts_for_the_cluster_and_ends_the_logins() {
    let fakes = join_all((0..5).map(|_| knows("another"))).await;
    let servers: Vec<&Fake> = fakes.iter().collect();
    let error = admin::metadata(&with_login(&servers), Topics::All).await.unwrap_err();
    assert_eq!((error.fault(), logins(&fakes)), (Fault::Authentication, 2), "{}", words(&error));

    let only = knows("another").await;
    let error = admin::metadata(&with_login(&[&only]), Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authentication, "there is no other broker to ask");
}

#[tokio::test]
async fn logins_refused_slowly_do_not_cause_many_logins() {
    let fakes = join_all((0..20).map(|_| Fake::start())).await;
    fakes.iter().for_each(|fake| refuses_after(fake, Duration::from_secs(3)));
    let servers: Vec<&Fake> = fakes.iter().collect();
    let error = admin::metadata(&with_login(&servers), Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authentication, "{}", words(&error));
    assert!(logins(&fakes) <= 3, "{} logins", logins(&fakes));
}

#[tokio::test]
async fn login_refused_by_one_broker_among_silent_ones_is_named_and_does_not_count() {
    let (refusing, silent) = (knows("another").await, [mute().await, mute().await]);
    let servers = [&refusing, &silent[0], &silent[1]];
    let error = admin::metadata(&with_login(&servers), Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Timeout, "{}", words(&error));
    assert!(words(&error).contains("one broker refused the login"), "{}", words(&error));
}

#[tokio::test]
async fn version_refused_by_one_broker_of_a_cluster_in_upgrade_does_not_count_for_the_cluster() {
    let fakes = join_all((0..3).map(|_| Fake::start())).await;
    fakes[0].without::<DescribeQuorumRequest>();
    for fake in &fakes[1..] {
        fake.on(|_: DescribeQuorumRequest, _| {
            Reply::Answer(DescribeQuorumResponse::default().with_error_code(31))
        });
    }
    let servers: Vec<&Fake> = fakes.iter().collect();
    let cluster = cluster(&servers, AMPLE);
    let error = admin::describe_quorum(&cluster).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authorization, "the answer of a broker that knows the request");
    fakes.iter().for_each(Fake::without::<DescribeQuorumRequest>);
    let cluster = super::cluster(&servers, AMPLE);
    let error = admin::describe_quorum(&cluster).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unsupported);
    assert_eq!(fakes.iter().filter(|fake| fake.accepted() == 2).count(), 2, "two brokers agreed");
}
