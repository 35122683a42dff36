//! Rebalances of real groups: members that join, leave and hold up the others.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

use crate::support::{
    groups::{PATIENCE, client, now_ms, service, write},
    kafka::{Extras, Kafka, share_consumer::ShareConsumer},
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
fn members_of_a_share_group_and_its_lag_are_those_of_kafkas_own_programs() {
    let properties =
        "share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n";
    let extras = Extras { properties: properties.into(), ..Extras::default() };
    let Some(kafka) = Kafka::start_single(&extras) else { return };
    let (group, topic) = ("shared-work", "rebalances-shared");
    if !kafka.begin_share_group(group) {
        return;
    }
    kafka.create_topic(topic, 2);
    let service = service(&kafka, "members = true");
    let seen = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        wait_for(what, 3 * PATIENCE, || rebalances(&service, group, "stable").filter(|seen| wanted(seen)))
    };
    let count = |seen: &Value, name: &str| seen[name].as_u64().expect("a count");
    let reported = || service.api(&format!("/api/v1/groups?group={group}"), "k")["groups"][0].clone();
    let described = |what: &str| {
        let class = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
        kafka.admin(class, &["--describe", "--group", group, what])
    };
    let first = ShareConsumer::start(&kafka, group, topic);
    let alone = seen("the first member", &|seen| seen["members_joined"].is_u64());
    assert_eq!(reported()["type"], "share");
    let second = ShareConsumer::start(&kafka, group, topic);
    let joined = count(&alone, "members_joined") + 1;
    let both = seen("the second member", &|seen| seen["members_joined"] == joined);
    assert!(count(&both, "count") > count(&alone, "count"), "{alone} {both}");

    write(&kafka, topic, 0, (0..20).map(|_| now_ms()));
    wait_for("the records to be read", 3 * PATIENCE, || {
        let read = first.log() + &second.log();
        (read.lines().filter(|line| *line == "x").count() >= 20).then_some(())
    });
    second.leave();
    let again = seen("the departure", &|seen| seen["members_left"] == 1);
    assert!(count(&again, "count") > count(&both, "count"), "{both} {again}");
    let members = described("--members");
    assert_eq!(
        members.matches(topic).count(),
        1,
        "Kafka's own program names the member that is left: {members}"
    );
    first.leave();
    // From Kafka 4.2 on the last column is the lag. Before, the last column is the start offset.
    let by_kafka = |offsets: &str| {
        let of_partition = |line: &&str| line.split_whitespace().skip(1).take(2).eq([topic, "0"]);
        let line = offsets.lines().find(of_partition).expect("the partition with the records");
        let columns: Vec<i64> = line.split_whitespace().filter_map(|column| column.parse().ok()).collect();
        let [_, start, rest @ ..] = &columns[..] else { panic!("{offsets}") };
        rest.first().copied().unwrap_or(20 - start)
    };
    wait_for("the lag that Kafka's own program names", 3 * PATIENCE, || {
        let (offsets, ours) = (described("--offsets"), reported());
        (ours["lag"] == by_kafka(&offsets)).then_some(())
    });
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
    // The two answers round the same time differently.
    let held_seconds = held["lasting_seconds"].as_f64().map(|seconds| seconds - 0.001);
    assert!(ended >= held_seconds, "{ended:?} {held}");
}
