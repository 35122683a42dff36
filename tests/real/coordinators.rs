//! One of three brokers is killed, and the partitions of `__consumer_offsets` and `__transaction_state` have one replica: one third
//! of the groups and of the transactional ids have no coordinator, and heartbeats are good all the same.

use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, Producer},
};

use super::{
    support::{groups::commit, kafka::Extras},
    *,
};

/// The number of partitions with this label value, by the last check.
fn partitions(service: &Service, family: &str, broker: i32) -> Option<usize> {
    let count = service.series(family, &[&format!("broker=\"{broker}\"")])?;
    Some(count as usize)
}

fn failing(service: &Service, broker: i32) -> Option<usize> {
    partitions(service, "heartbeat_coordinator_partitions_failing", broker)
}

/// A producer with transactions begins to work.
fn init_transactions(kafka: &Kafka) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap(Listener::Plaintext))
        .set("transactional.id", "someone")
        .create()
        .expect("a producer");
    wait_for("the coordinator of a transaction", Duration::from_secs(60), || {
        producer.init_transactions(Duration::from_secs(10)).ok()
    });
}

#[test]
fn coordinators_of_a_killed_broker_are_reported_with_it_and_all_others_stay_good() {
    let topics = ["offsets.topic", "transaction.state.log"];
    let properties = topics.map(|topic| format!("{topic}.replication.factor=1\n")).concat();
    let Some(kafka) = Kafka::start_with(3, &Extras { properties, ..Extras::default() }) else { return };
    // The first commit of a group creates the topic.
    kafka.create_topic("read", 1);
    commit(&kafka, "reader", "read", &[(0, 0)]);
    let leaders = wait_for("all leaders of the topic", Duration::from_secs(30), || {
        Some(kafka.leaders("__consumer_offsets")).filter(|leaders| leaders.len() == 12)
    });
    // The first transactional producer creates the topic.
    init_transactions(&kafka);
    let transaction_leaders = wait_for("all leaders of the topic", Duration::from_secs(30), || {
        Some(kafka.leaders("__transaction_state")).filter(|leaders| leaders.len() == 4)
    });
    let transactions_of_3 = transaction_leaders.iter().filter(|(_, leader)| *leader == 3).count();
    let led = |broker: i32| leaders.iter().filter(|(_, leader)| *leader == broker).count();
    let config = plaintext(&kafka, "hb-coordinators")
        + "[coordinators]\ninterval = 2s\ntimeout = 2s\n\
         [transaction_coordinators]\nenabled = true\ninterval = 2s\ntimeout = 2s\n";
    let service = Service::start(&config);
    let all_are_good = || {
        let is_led =
            |broker| partitions(&service, "heartbeat_coordinator_partitions", broker) == Some(led(broker));
        let unchecked = service.series("heartbeat_coordinator_partitions_unchecked", &[]) == Some(0.0);
        let good = [1, 2, 3].into_iter().all(|broker| is_led(broker) && failing(&service, broker) == Some(0));
        (unchecked && good).then_some(())
    };
    wait_for("good coordinators of all partitions", Duration::from_secs(60), all_are_good);
    service.wait("k", "heartbeats from every partition", 30, |totals| totals.of("ok") >= 12);

    let failing_transactions =
        |broker: i32| partitions(&service, "heartbeat_transaction_coordinator_partitions_failing", broker);
    wait_for("good coordinators of transactions", Duration::from_secs(60), || {
        let unchecked = service.series("heartbeat_transaction_coordinator_partitions_unchecked", &[]);
        let good = [1, 2, 3].into_iter().all(|broker| failing_transactions(broker).unwrap_or(0) == 0);
        (unchecked == Some(0.0) && good).then_some(())
    });

    kafka.broker(3).kill();
    let killed = Instant::now();
    wait_for("a failing coordinator", Duration::from_secs(10), || {
        failing(&service, 3).filter(|count| *count > 0)
    });
    eprintln!("the first failing coordinator after {:.1} s", killed.elapsed().as_secs_f32());
    wait_for("all coordinators of the killed broker to fail", Duration::from_secs(20), || {
        failing(&service, 3).filter(|count| *count == led(3))
    });
    eprintln!("all failing coordinators after {:.1} s", killed.elapsed().as_secs_f32());
    wait_for(
        "all coordinators of transactions on the killed broker to fail",
        Duration::from_secs(20),
        || (failing_transactions(3).unwrap_or(0) == transactions_of_3).then_some(()),
    );
    assert!([1, 2].into_iter().all(|broker| failing_transactions(broker).unwrap_or(0) == 0));
    // They still count for the broker when it has left the metadata, and no other coordinator ever fails.
    kafka.broker(3).wait_until_fenced();
    let checks = || service.sum("heartbeat_coordinator_checks_total", &["broker=\"3\""]);
    let before = checks();
    wait_for("another check of each partition", Duration::from_secs(60), || {
        let names_none = ["broker=\"3\"", "api=\"FindCoordinator\"", "fault=\"no_leader\""];
        let unnamed = service.series("heartbeat_coordinator_check_failures_total", &names_none);
        let is_again = checks() >= before + 2.0 * led(3) as f64;
        (is_again && unnamed.is_some_and(|count| count > 0.0)).then_some(())
    });
    assert_eq!(failing(&service, 3), Some(led(3)), "{}", service.log());
    for broker in [1, 2] {
        assert_eq!(failing(&service, broker), Some(0), "broker {broker}: {}", service.log());
        let failures =
            service.sum("heartbeat_coordinator_check_failures_total", &[&format!("broker=\"{broker}\"")]);
        assert_eq!(failures, 0.0, "broker {broker}: {}", service.log());
    }
    assert!(service.log().contains("the broker does not work as the coordinator of consumer groups"));
    let heartbeats = service.totals("k").of("ok");
    service.wait("k", "good heartbeats without the broker", 30, |totals| totals.of("ok") >= heartbeats + 12);

    kafka.broker(3).restart();
    wait_for("good coordinators of all partitions again", Duration::from_secs(60), all_are_good);
    let groups = service.api("/api/v1/groups", "k");
    assert!(
        !groups.to_string().contains("coordinator-"),
        "lag of the groups of the checks is not watched: {groups}"
    );
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
}
