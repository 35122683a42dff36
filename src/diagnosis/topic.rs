//! Rules about the heartbeat topic: it does not exist, or its partitions have too few in-sync replicas.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    access::of_fault,
    finding::{Finding, Weight},
    open::Open,
    scene::{Partition, Scene},
    suspect::Kind,
};
use crate::{
    kafka::{BrokerId, Fault},
    text,
};

/// The heartbeat topic does not exist. The client may learn seconds later that it exists again.
pub(super) fn missing(open: &mut Open<'_>) {
    let unknown = of_fault(open, Fault::UnknownTopic);
    let is_missing = open.scene.topic_missing;
    if !is_missing && unknown.is_empty() {
        return;
    }
    let topic = text::plain(&open.scene.topic);
    let (weight, headline, evidence) = match is_missing {
        true => (
            Weight::One,
            format!("The heartbeat topic {topic} does not exist"),
            "the metadata do not list the topic",
        ),
        false => (
            Weight::Hint,
            format!("The heartbeat topic {topic} did not exist a moment ago"),
            "the last heartbeats that failed had no topic",
        ),
    };
    let finding = Finding::new(Kind::TopicConfig, topic, weight, headline);
    let all = if unknown.is_empty() { open.partitions.keys().copied().collect() } else { unknown };
    open.explain_partitions(&all, finding.because([evidence.to_owned()]));
}

/// `min.insync.replicas` of the topic is as high as the number of replicas: the failure of any replica stops all writes.
pub(super) fn setting(open: &mut Open<'_>) {
    let scene = open.scene;
    let Some(least) = scene.min_isr.filter(|least| *least > 1) else { return };
    let is_strict = |partition: &&Partition| partition.replicas.len() <= least;
    let mut counts: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
    for number in open.partitions.keys().filter(|number| is_short(scene, **number)) {
        if let Some(partition) = scene.partitions.get(number).filter(is_strict) {
            counts.entry(partition.isr.len()).or_default().push(*number);
        }
    }
    let topic = text::plain(&scene.topic);
    let headline = format!("The setting min.insync.replicas={least} of the topic {topic} cannot be met");
    let sentence = |(count, numbers): (&usize, &Vec<i32>)| {
        let partitions = text::list("partition", numbers)?;
        Some(format!("heartbeats to {partitions} fail or are overdue with {count} in-sync replicas"))
    };
    let evidence: Vec<String> = counts.iter().filter_map(sentence).collect();
    if evidence.is_empty() {
        return;
    }
    let strict = "the setting is as high as the number of replicas, so that no replica may be out of sync";
    let finding = Finding::new(Kind::TopicConfig, topic, Weight::One, headline);
    let short = counts.into_values().flatten().collect();
    open.explain_partitions(&short, finding.because(evidence).because([strict.to_owned()]));
}

/// Whether a partition has fewer in-sync replicas than its topic asks for, or than its replicas if it has fewer of those.
pub(super) fn is_short(scene: &Scene, number: i32) -> bool {
    let short =
        |(partition, least): (&Partition, usize)| partition.isr.len() < least.min(partition.replicas.len());
    scene.partitions.get(&number).zip(scene.min_isr).is_some_and(short)
}

/// Leaders have too few in-sync replicas: a follower that does not keep up, or a setting that cannot be met.
pub(super) fn replicas(open: &mut Open<'_>) {
    let scene = open.scene;
    let mut short = of_fault(open, Fault::NotEnoughReplicas);
    short.extend(open.partitions.keys().filter(|number| is_short(scene, **number)));
    let of = |number: &i32| scene.partitions.get(number);
    let missing = short.iter().filter_map(of).map(|partition| {
        let missing = partition.replicas.iter().filter(|id| !partition.isr.contains(id));
        missing.copied().collect::<BTreeSet<BrokerId>>()
    });
    let Some(common) = missing.reduce(|common, missing| &common & &missing) else { return };
    let evidence = "leaders refuse heartbeats, because the partition has too few in-sync replicas".to_owned();
    if let Some(broker) = common.first() {
        let headline = format!("Broker {broker} does not keep up as a replica");
        let finding = Finding::new(Kind::Replica, broker, Weight::Two, headline);
        let shared = format!("broker {broker} is not an in-sync replica of any of these partitions");
        return open.explain_partitions(&short, finding.because([evidence, shared]));
    }
    let is_whole = |partition: &Partition| {
        !partition.replicas.is_empty() && partition.replicas.len() == partition.isr.len()
    };
    if !short.iter().all(|number| of(number).is_some_and(is_whole)) {
        return;
    }
    let topic = text::plain(&scene.topic);
    let headline = format!("The setting min.insync.replicas of the topic {topic} cannot be met");
    let finding = Finding::new(Kind::TopicConfig, topic, Weight::One, headline);
    let all = "every replica of these partitions is in sync".to_owned();
    open.explain_partitions(&short, finding.because([evidence, all]));
}
