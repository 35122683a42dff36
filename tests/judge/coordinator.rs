//! A partition of `__consumer_offsets` without a leader on a real Apache Kafka: its groups are not deleted groups.

use std::time::Duration;

use super::{
    happened, status,
    support::{
        groups::{commit, now_ms, write},
        kafka::Kafka,
        wait_for,
    },
};

const PARTITIONS: i32 = 12;

/// The partition of `__consumer_offsets` that holds a group: `Utils.abs(group.hashCode()) % partitions` in Kafka.
fn partition_of(group: &str) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash & i32::MAX) % PARTITIONS
}

#[test]
fn groups_of_a_leaderless_consumer_offsets_partition_keep_their_series_and_are_not_deleted() {
    let Some(kafka) = Kafka::start(3) else { return };
    // One replica of each partition: broker 3 holds the odd ones alone.
    let assignment: Vec<_> = (0..PARTITIONS).map(|number| if number % 2 == 0 { "2" } else { "3" }).collect();
    kafka.admin(
        "org.apache.kafka.tools.TopicCommand",
        &[
            "--create",
            "--topic",
            "__consumer_offsets",
            "--replica-assignment",
            &assignment.join(","),
            "--config",
            "cleanup.policy=compact",
        ],
    );
    let topic = "coordinated";
    kafka.create_topic(topic, 1);
    write(&kafka, topic, 0, (0..100).map(|_| now_ms()));
    let group = |odd: bool| {
        let mut names = (0..).map(|number| format!("coordinated-{number}"));
        names.find(|name| (partition_of(name) % 2 == 1) == odd).expect("half of all names")
    };
    let (lost, other) = (group(true), group(false));
    for group in [&lost, &other] {
        commit(&kafka, group, topic, &[(0, 40)]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let service = super::service(&kafka, "coordinated-.*", topic, folder.path());
    let value = |service: &super::Service, family: &str, group: &str| {
        service.series(family, &[&format!("group=\"{group}\"")])
    };
    for group in [&lost, &other] {
        wait_for("the lag of both groups", super::PATIENCE, || {
            value(&service, "kafka_consumergroup_group_lag", group).filter(|lag| *lag == 60.0)
        });
    }
    kafka.broker(3).kill();
    let unknown = ["state=\"unknown\"", &format!("group=\"{lost}\"")];
    wait_for("the group to be unknown, with its lag", Duration::from_secs(90), || {
        let lag = value(&service, "kafka_consumergroup_group_lag", &lost);
        let is_unknown = service.series("kafka_consumergroup_group_state", &unknown) == Some(1.0);
        let partitions = value(&service, "kafka_consumergroup_partitions_unknown", &lost);
        (lag == Some(60.0) && is_unknown && partitions == Some(1.0)).then_some(())
    });
    // The group stays for many cycles of one second; the committed offset of the other one is still read.
    let cycles = || service.sum("heartbeat_cycles_total", &["task=\"collect\"", "ending=\"ok\""]);
    let seen = cycles();
    write(&kafka, topic, 0, (0..10).map(|_| now_ms()));
    commit(&kafka, &other, topic, &[(0, 50)]);
    wait_for("eight more cycles", Duration::from_secs(90), || (cycles() >= seen + 8.0).then_some(()));
    assert_eq!(value(&service, "kafka_consumergroup_group_lag", &lost), Some(70.0), "{}", service.log());
    assert_eq!(value(&service, "kafka_consumergroup_group_lag", &other), Some(60.0), "{}", service.log());
    assert_eq!(
        happened(&service, &format!("{lost} on {topic}")),
        [""; 0],
        "no event reports the group as deleted"
    );
    assert_eq!(status(&service, &lost).expect("a status")["status"], "online");
    // A service that starts meanwhile loads the group from the history file, and reports no deletion either.
    drop(service);
    let service = super::service(&kafka, "coordinated-.*", topic, folder.path());
    wait_for("the other group", Duration::from_secs(90), || {
        value(&service, "kafka_consumergroup_group_lag", &other)
    });
    let cycles = || service.sum("heartbeat_cycles_total", &["task=\"collect\"", "ending=\"ok\""]);
    wait_for("five cycles", Duration::from_secs(90), || (cycles() >= 5.0).then_some(()));
    assert_eq!(happened(&service, &format!("{lost} on {topic}")), [""; 0], "{}", service.log());
    kafka.broker(3).restart();
    wait_for("the lag of the group to be read again", Duration::from_secs(90), || {
        let partitions = value(&service, "kafka_consumergroup_partitions_unknown", &lost);
        let lag = value(&service, "kafka_consumergroup_group_lag", &lost);
        (lag == Some(70.0) && partitions == Some(0.0)).then_some(())
    });
}
