//! Rebalances of real groups: members that join, leave and hold up the others.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

use crate::support::{
    groups::{PATIENCE, client, service},
    kafka::Kafka,
    service::Service,
    wait_for,
};

/// A consumer of the topic `rebalances`.
fn member(kafka: &Kafka, group: &str, protocol: &str) -> BaseConsumer {
    let mut config = client(kafka);
    config.set("group.id", group).set("group.protocol", protocol).set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    consumer.subscribe(&["rebalances"]).expect("subscribed");
    consumer
}

/// Waits until each of these members of a group has as many partitions as it is due.
fn share_out(members: &[&BaseConsumer], partitions: usize) {
    wait_for("the partitions to be assigned", Duration::from_secs(60), || {
        let assigned = members.iter().map(|member| {
            _ = member.poll(Duration::from_millis(50));
            member.assignment().map_or(0, |list| list.count())
        });
        let assigned: Vec<_> = assigned.collect();
        assigned.iter().all(|count| *count == partitions).then_some(())
    });
}

/// What the API reports of the rebalances of a group while the group is in this state.
fn rebalances(service: &Service, group: &str, state: &str) -> Option<Value> {
    let answer = service.api(&format!("/api/v1/groups?group={group}"), "k");
    let group = answer["groups"].as_array()?.first()?;
    (group["state"] == state).then(|| group["rebalances"].clone())
}

#[test]
fn members_that_join_and_leave_are_counted_with_their_rebalances() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("rebalances", 2);
    let service = service(kafka, "members = true");
    let protocols: &[&str] = if kafka.is_modern() { &["classic", "consumer"] } else { &["classic"] };
    for protocol in protocols {
        let group = format!("rebalances-{protocol}");
        let seen = |wanted: &dyn Fn(&Value) -> bool| {
            wait_for(&format!("the rebalances of {group}"), PATIENCE, || {
                rebalances(&service, &group, "stable").filter(|seen| wanted(seen))
            })
        };
        let first = member(kafka, &group, protocol);
        share_out(&[&first], 2);
        let alone = seen(&|seen| seen["members_joined"].is_u64());
        let count = |seen: &Value, name: &str| seen[name].as_u64().expect("a count");
        let joined = count(&alone, "members_joined");

        let second = member(kafka, &group, protocol);
        share_out(&[&first, &second], 1);
        let both = seen(&|seen| seen["members_joined"] == joined + 1);
        assert!(count(&both, "count") > count(&alone, "count"), "{protocol}: {alone} {both}");
        assert_eq!(count(&both, "members_left"), 0, "{protocol}: {both}");

        drop(second);
        share_out(&[&first], 2);
        let again = seen(&|seen| seen["members_left"] == 1);
        assert!(count(&again, "count") > count(&both, "count"), "{protocol}: {both} {again}");
        let left = [&format!("group=\"{group}\""), "change=\"left\""];
        assert_eq!(service.series("kafka_consumergroup_member_changes_total", &left), Some(1.0));
    }
}

#[test]
fn member_that_does_not_poll_holds_up_a_rebalance_whose_age_is_reported() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("rebalances-held", 1);
    let config = |kafka: &Kafka| {
        let mut config = client(kafka);
        config.set("group.id", "held-up").set("group.protocol", "classic");
        config.set("partition.assignment.strategy", "range");
        config
    };
    let start = || {
        let consumer: BaseConsumer = config(kafka).create().expect("a consumer");
        consumer.subscribe(&["rebalances-held"]).expect("subscribed");
        consumer
    };
    let slow = start();
    share_out(&[&slow], 1);
    let service = service(kafka, "members = false");
    wait_for("the stable group", PATIENCE, || rebalances(&service, "held-up", "stable"));
    // The member that has the partition does not poll, so it does not give it up.
    let newcomer = start();
    let held = wait_for("a rebalance that lasts", PATIENCE, || {
        _ = newcomer.poll(Duration::from_millis(50));
        rebalances(&service, "held-up", "rebalancing")
            .filter(|seen| seen["lasting_seconds"].as_f64() > Some(3.0))
    });
    assert_eq!((&held["count"], &held["members_joined"]), (&1.into(), &Value::Null), "{held}");
    let age = service.series("kafka_consumergroup_rebalance_age_seconds", &["group=\"held-up\""]);
    assert!(age > Some(3.0), "{age:?}");
    let ended = wait_for("the end of the rebalance", PATIENCE, || {
        _ = slow.poll(Duration::from_millis(50));
        _ = newcomer.poll(Duration::from_millis(50));
        rebalances(&service, "held-up", "stable")
    });
    assert_eq!(ended["lasting_seconds"], 0.0, "{ended}");
    let ended = service.series("kafka_consumergroup_rebalancing_seconds_total", &["group=\"held-up\""]);
    assert!(ended >= held["lasting_seconds"].as_f64(), "{ended:?} {held}");
}
