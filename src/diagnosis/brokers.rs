//! Rules about brokers, racks and replicas, and about the cluster as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    access::{of_fault, others, sessions, weight},
    finding::{Finding, Weight},
    open::Open,
    scene::Session,
    suspect::Kind,
};
use crate::{
    kafka::{BrokerId, Fault, Stage},
    text,
};

/// The sessions of a broker are looked at for so long before the trouble of all partitions is blamed on the cluster.
const SESSIONS_FOLLOW: Duration = Duration::from_secs(2);

/// All brokers of one rack fail, and no broker of another rack does.
pub(super) fn racks(open: &mut Open<'_>) {
    let mut racks: BTreeMap<&str, BTreeSet<BrokerId>> = BTreeMap::new();
    for (id, broker) in &open.scene.brokers {
        if let Some(rack) = &broker.rack {
            racks.entry(rack).or_default().insert(*id);
        }
    }
    let failed: BTreeSet<BrokerId> = open.sessions.keys().copied().collect();
    let of_rack = racks.iter().find(|(_, brokers)| **brokers == failed && brokers.len() > 1);
    let Some((rack, _)) = of_rack.filter(|_| racks.len() > 1) else { return };
    let rack = text::plain(rack);
    let weight = failed.iter().map(|broker| weight(open, *broker, &failed)).max().unwrap_or(Weight::One);
    let headline = format!("No broker of the rack {rack} can be reached");
    let finding = Finding::new(Kind::Rack, &rack, weight, headline);
    let finding = finding.because(sessions(open, &failed)).because(others(open));
    open.explain_brokers(&failed, finding);
}

/// Brokers whose sessions fail, each for itself.
pub(super) fn failed_sessions(open: &mut Open<'_>) {
    let failed: BTreeSet<BrokerId> = open.sessions.keys().copied().collect();
    if open.are_all(&failed) && failed.len() > 1 {
        let headline = "No broker of the cluster can be used";
        let finding = Finding::new(Kind::Cluster, "", Weight::One, headline);
        let finding = finding.because(sessions(open, &failed));
        return open.explain_brokers(&failed, finding);
    }
    for broker in failed {
        let finding = failed_session(open, broker);
        open.explain_brokers(&BTreeSet::from([broker]), finding);
    }
}

fn failed_session(open: &Open<'_>, broker: BrokerId) -> Finding {
    let one = BTreeSet::from([broker]);
    let known = open.scene.brokers.get(&broker);
    let session = known.map(|broker| &broker.session);
    let Some(Session::Failed { stage, fault, times, in_sync, .. }) = session else {
        return Finding::new(
            Kind::Broker,
            broker,
            Weight::Hint,
            format!("Broker {broker} cannot be reached"),
        );
    };
    let mut evidence = sessions(open, &one);
    if *times > 1 {
        evidence.push(format!("{times} sessions failed one after the other"));
    }
    evidence.extend(led(open, broker));
    let address =
        known.map(|broker| format!("{}:{}", text::plain(&broker.host), broker.port)).unwrap_or_default();
    if *in_sync && *stage == Stage::Tcp {
        let headline = format!("The address {address} does not lead to broker {broker}");
        let finding = Finding::new(Kind::Listener, address, weight(open, broker, &one), headline);
        let alive =
            format!("the other brokers list broker {broker} as an in-sync replica, so they can reach it");
        return finding.because(evidence).because([alive]);
    }
    let headline = format!("Broker {broker} {}", verb(*stage, *fault));
    let finding = Finding::new(Kind::Broker, broker, weight(open, broker, &one), headline);
    finding.because(evidence).because(others(open))
}

/// What a broker does whose session fails in this way.
fn verb(stage: Stage, fault: Fault) -> &'static str {
    match (stage, fault) {
        (Stage::Tcp, Fault::Timeout) => "does not accept connections",
        (_, Fault::Timeout) => "does not answer",
        (_, Fault::Refused) => "refuses connections",
        (_, Fault::Disconnected) => "closes its connections",
        (Stage::Sasl, _) => "refuses the login",
        (Stage::Tls, _) => "fails the TLS handshake",
        (_, Fault::Protocol) => "does not answer in Kafka's protocol",
        _ => "cannot be reached",
    }
}

/// That heartbeats fail that this broker led, if any do.
fn led(open: &Open<'_>, broker: BrokerId) -> Option<String> {
    let led = open.partitions.iter().filter(|(_, trouble)| trouble.leader == Some(broker));
    let led: Vec<_> = led.collect();
    let numbers: Vec<i32> = led.iter().map(|(number, _)| **number).collect();
    let bad: usize = led.iter().map(|(_, trouble)| trouble.bad).sum();
    let overdue: usize = led.iter().map(|(_, trouble)| trouble.overdue).sum();
    let partitions = text::list("partition", &numbers)?;
    Some(format!(
        "broker {broker} leads {partitions}, where {bad} of the last heartbeats were bad and {overdue} are overdue"
    ))
}

/// Heartbeats fail where one broker leads and nowhere else, although its sessions work. Or they fail on all partitions that one
/// broker follows, and on no other.
pub(super) fn leaders(open: &mut Open<'_>) {
    let scene = open.scene;
    // A fault of the topic or of its replicas is no fault of the leader that reports it.
    let is_of_topic = |fault: Option<Fault>| {
        matches!(fault, Some(Fault::NotEnoughReplicas | Fault::UnknownTopic | Fault::Authorization))
    };
    if open.partitions.is_empty() || open.partitions.values().any(|trouble| is_of_topic(trouble.fault)) {
        return;
    }
    let troubled: BTreeSet<BrokerId> =
        open.partitions.values().filter_map(|trouble| trouble.leader).collect();
    if let Some(follower) = follower(open, &troubled) {
        let headline = format!("Broker {follower} does not keep up as a replica");
        let shared =
            format!("heartbeats fail or are overdue on every partition that broker {follower} follows");
        let fine = format!("partitions that broker {follower} leads are fine");
        let finding = Finding::new(Kind::Replica, follower, Weight::One, headline).because([shared, fine]);
        let all = open.partitions.keys().copied().collect();
        return open.explain_partitions(&all, finding);
    }
    let troubled = troubled.into_iter().filter(|leader| {
        let mut own = scene.partitions.iter().filter(|(_, partition)| partition.leader == Some(*leader));
        own.all(|(number, _)| open.partitions.contains_key(number))
    });
    let troubled: Vec<BrokerId> = troubled.collect();
    if scene.partitions.values().all(|partition| partition.trouble.is_some()) {
        return;
    }
    for leader in troubled {
        let headline = format!("Broker {leader} does not handle heartbeats in time");
        let finding = Finding::new(Kind::Broker, leader, Weight::One, headline);
        let fine = "partitions of other leaders are fine".to_owned();
        let opens = match scene.brokers.get(&leader).map(|broker| &broker.session) {
            Some(Session::Open { .. }) => Some(format!("a session with broker {leader} could be opened")),
            _ => None,
        };
        let finding = finding.because(led(open, leader)).because([fine]).although(opens);
        let partitions = open.partitions.iter().filter(|(_, trouble)| trouble.leader == Some(leader));
        let partitions = partitions.map(|(number, _)| *number).collect();
        open.explain_partitions(&partitions, finding);
    }
}

/// The only broker that follows every partition in trouble and no other, if there is more than one leader.
fn follower(open: &Open<'_>, leaders: &BTreeSet<BrokerId>) -> Option<BrokerId> {
    if leaders.len() < 2 {
        return None;
    }
    let follows = |number: &i32, broker: &BrokerId| {
        let partition = open.scene.partitions.get(number);
        partition
            .is_some_and(|partition| partition.leader != Some(*broker) && partition.replicas.contains(broker))
    };
    let fits = |broker: &&BrokerId| {
        open.scene
            .partitions
            .keys()
            .all(|number| follows(number, broker) == open.partitions.contains_key(number))
    };
    let mut fitting = open.scene.brokers.keys().filter(fits);
    let only = fitting.next().copied();
    only.filter(|_| fitting.next().is_none())
}

/// Brokers whose sessions take far longer than usual, while others do not.
pub(super) fn slow(open: &mut Open<'_>) {
    let slow = open.scene.brokers.iter().filter_map(|(id, broker)| match broker.session {
        Session::Open { slow: Some(times), .. } => Some((*id, times)),
        _ => None,
    });
    let slow: BTreeMap<BrokerId, (Duration, Duration)> = slow.collect();
    if slow.len() > 1 && 2 * slow.len() >= open.scene.brokers.len() {
        let headline = "Most brokers answer later than usual";
        let finding = Finding::new(Kind::Cluster, "", Weight::Hint, headline);
        let finding = finding
            .because(["sessions with half of the brokers or more take far longer than usual".to_owned()]);
        return open.explain_partitions(&BTreeSet::new(), finding);
    }
    for (broker, (took, usual)) in slow {
        if open.found.iter().any(|found| found.kind == Kind::Broker && found.subject == broker.to_string()) {
            continue;
        }
        let (took, usual) = (millis(took), millis(usual));
        let evidence =
            format!("the last sessions with broker {broker} took {took}, and usually they take {usual}");
        let headline = format!("Broker {broker} answers later than usual");
        let finding = Finding::new(Kind::Broker, broker, Weight::One, headline);
        let led = open.partitions.iter().filter(|(_, trouble)| trouble.leader == Some(broker));
        let led = led.map(|(number, _)| *number).collect();
        let finding = finding.because([evidence]).because(others(open));
        open.explain_partitions(&led, finding);
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Partitions wait for a broker that is not in the metadata any more, and all of them lack its replica.
pub(super) fn absent(open: &mut Open<'_>) {
    let scene = open.scene;
    let lacks = |number: &i32| {
        let partition = scene.partitions.get(number);
        let missing = partition.into_iter().flat_map(|partition| {
            partition
                .replicas
                .iter()
                .filter(|id| !partition.isr.contains(id) && !scene.brokers.contains_key(id))
        });
        missing.copied().collect::<BTreeSet<_>>()
    };
    let common = open.partitions.keys().map(lacks).reduce(|common, missing| &common & &missing);
    let Some(broker) = common.and_then(|common| common.first().copied()) else { return };
    let headline = format!("Broker {broker} has left the cluster, and heartbeats wait for its replicas");
    let numbers: Vec<i32> = open.partitions.keys().copied().collect();
    let partitions = text::list("partition", &numbers).unwrap_or_default();
    let evidence = [
        format!("the metadata do not list broker {broker}"),
        format!(
            "heartbeats to {partitions} fail or are overdue, and all of these lack a replica on broker {broker}"
        ),
    ];
    let refused = !of_fault(open, Fault::NotEnoughReplicas).is_empty();
    // Without that error, heartbeats may be late for another reason, unless the broker has just failed.
    let weight = if refused { Weight::One } else { Weight::Hint };
    let mut finding = Finding::new(Kind::Broker, broker, weight, headline).because(evidence);
    finding.brokers.insert(broker);
    let all = open.partitions.keys().copied().collect();
    open.explain_partitions(&all, finding);
}

/// Leaders have too few in-sync replicas: a follower that does not keep up, or a setting that cannot be met.
pub(super) fn replicas(open: &mut Open<'_>) {
    let short = of_fault(open, Fault::NotEnoughReplicas);
    let of = |number: &i32| open.scene.partitions.get(number);
    let missing = short.iter().filter_map(of).map(|partition| {
        let missing = partition.replicas.iter().filter(|id| !partition.isr.contains(id));
        missing.copied().collect::<BTreeSet<_>>()
    });
    let Some(common) = missing.reduce(|common, missing| &common & &missing) else { return };
    let evidence = "leaders refuse heartbeats, because the partition has too few in-sync replicas".to_owned();
    if let Some(broker) = common.first() {
        let headline = format!("Broker {broker} does not keep up as a replica");
        let finding = Finding::new(Kind::Replica, broker, Weight::Two, headline);
        let shared = format!("broker {broker} is not an in-sync replica of any of these partitions");
        return open.explain_partitions(&short, finding.because([evidence, shared]));
    }
    let is_whole = |partition: &super::Partition| {
        !partition.replicas.is_empty() && partition.replicas.len() == partition.isr.len()
    };
    if !short.iter().all(|number| of(number).is_some_and(is_whole)) {
        return;
    }
    let topic = text::plain(&open.scene.topic);
    let headline = format!("The setting min.insync.replicas of the topic {topic} cannot be met");
    let finding = Finding::new(Kind::TopicConfig, topic, Weight::One, headline);
    let all = "every replica of these partitions is in sync".to_owned();
    open.explain_partitions(&short, finding.because([evidence, all]));
}

/// Coordinators of consumer groups that fail although nothing else explains it. If the broker
/// itself is blamed, the failure is evidence against the broker.
pub(super) fn coordinators(open: &mut Open<'_>) {
    let scene = open.scene;
    let is_hidden = |found: &Finding| {
        let hides = [Kind::Credentials, Kind::Cluster, Kind::ClientNetwork];
        hides.contains(&found.kind) && found.weight > Weight::Hint
    };
    if open.found.iter().any(is_hidden) {
        return;
    }
    for (broker, failing) in &scene.coordinators {
        let sentence = failing.sentence();
        let is_missing = |broker: &BrokerId| !scene.brokers.contains_key(broker);
        if broker.is_some_and(|broker| is_missing(&broker) || open.add_evidence(broker, &sentence)) {
            continue;
        }
        let (subject, headline) = match broker {
            Some(broker) => (
                broker.to_string(),
                format!("Coordinators of consumer groups on broker {broker} do not work"),
            ),
            None => (String::new(), "Consumer groups have no coordinator".to_owned()),
        };
        let finding = Finding::new(Kind::GroupCoordinator, subject, Weight::One, headline);
        let finding = finding.because([sentence]).although(others(open).filter(|_| broker.is_some()));
        open.explain_partitions(&BTreeSet::new(), finding);
    }
}

/// Every partition is in trouble, and no broker alone explains it.
pub(super) fn everything(open: &mut Open<'_>) {
    let scene = open.scene;
    let everywhere = !open.partitions.is_empty()
        && scene.partitions.values().all(|partition| partition.trouble.is_some())
        && open.partitions.len() == scene.partitions.len();
    // A broker that hangs holds up the partitions that it follows as well. Then its sessions fail.
    let since = open.partitions.values().map(|trouble| trouble.since).min();
    let looked = |session: &Session| match session {
        Session::Open { at, .. } => since.is_some_and(|since| *at >= since + SESSIONS_FOLLOW),
        Session::Failed { .. } => true,
        Session::Unknown => false,
    };
    if !everywhere || !scene.brokers.values().all(|broker| looked(&broker.session)) {
        return;
    }
    let finding = Finding::new(Kind::Cluster, "", Weight::One, "Heartbeats fail on every partition");
    let evidence =
        "heartbeats to every partition fail or are overdue, and sessions with every broker can be opened";
    let all = open.partitions.keys().copied().collect();
    open.explain_partitions(&all, finding.because([evidence.to_owned()]));
}
