//! Rules about brokers, racks and replicas, and about the cluster as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    access::{of_fault, others, sessions, weight},
    finding::{Finding, Weight},
    open::{FailedSession, Open},
    scene::Session,
    suspect::Kind,
    topic,
};
use crate::{
    kafka::{BrokerId, Fault, Stage},
    text,
};

/// The sessions of a broker are looked at for so long before the trouble of all partitions is blamed on the cluster.
const SESSIONS_FOLLOW: Duration = Duration::from_secs(2);

/// Throttling is reported within this time. Until then it may be the reason why heartbeats are overdue everywhere.
const THROTTLING_FOLLOWS: Duration = Duration::from_secs(6);

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
        let is_pending = failed.iter().any(|broker| open.is_pending(*broker));
        let weight = if is_pending { Weight::Hint } else { Weight::One };
        let finding = Finding::new(Kind::Cluster, "", weight, headline);
        let finding = finding.because(sessions(open, &failed));
        return open.explain_brokers(&failed, finding);
    }
    for (broker, session) in open.sessions.clone() {
        let finding = failed_session(open, broker, session);
        open.explain_brokers(&BTreeSet::from([broker]), finding);
    }
}

fn failed_session(open: &Open<'_>, broker: BrokerId, session: FailedSession<'_>) -> Finding {
    let FailedSession { stage, fault, times, in_sync, .. } = session;
    let one = BTreeSet::from([broker]);
    let mut evidence = sessions(open, &one);
    if times > 1 {
        evidence.push(format!("{times} sessions failed one after the other"));
    }
    evidence.extend(led(open, broker));
    if in_sync && stage == Stage::Tcp {
        let headline = format!("The address {} does not lead to broker {broker}", session.broker.address());
        let finding = Finding::new(Kind::Listener, broker, weight(open, broker, &one), headline);
        let alive =
            format!("the other brokers list broker {broker} as an in-sync replica, so they can reach it");
        return finding.because(evidence).because([alive]);
    }
    let headline = format!("Broker {broker} {}", verb(stage, fault));
    let finding = Finding::new(Kind::Broker, broker, weight(open, broker, &one), headline);
    finding.because(evidence).because(others(open)).although(network(open, stage, fault))
}

/// That the network of this machine may be cut, if nothing excludes it: the cluster has no other broker to compare with.
fn network(open: &Open<'_>, stage: Stage, fault: Fault) -> Option<String> {
    let is_cut = stage == Stage::Tcp && matches!(fault, Fault::Timeout | Fault::Unreachable);
    let words = "the cluster has no other broker, so the network of this machine may be cut as well";
    (is_cut && open.scene.brokers.len() == 1).then(|| words.to_owned())
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
    let concerns_topic = |(number, trouble): (&i32, &&super::Trouble)| {
        is_of_topic(trouble.fault) || topic::is_short(scene, *number)
    };
    if open.partitions.is_empty() || open.partitions.iter().any(concerns_topic) {
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

/// Brokers whose sessions take far longer than usual, while others do not. After another failure, brokers have more work for a
/// while: then that is no fault of theirs.
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
    let weight = if open.has_failure() { Weight::Hint } else { Weight::One };
    for (broker, (took, usual)) in slow {
        if open.found.iter().any(|found| found.kind == Kind::Broker && found.subject == broker.to_string()) {
            continue;
        }
        let (took, usual) = (millis(took), millis(usual));
        let evidence =
            format!("the last sessions with broker {broker} took {took}, and usually they take {usual}");
        let headline = format!("Broker {broker} answers later than usual");
        let finding = Finding::new(Kind::Broker, broker, weight, headline);
        let led = open.partitions.iter().filter(|(_, trouble)| trouble.leader == Some(broker));
        let led = led.map(|(number, _)| *number).collect();
        let finding = finding.because([evidence]).because(others(open));
        open.explain_partitions(&led, finding);
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Partitions wait for brokers that are not in the metadata any more, and all of them lack the replicas of these brokers.
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
    let numbers: Vec<i32> = open.partitions.keys().copied().collect();
    let partitions = text::list("partition", &numbers).unwrap_or_default();
    let refused = !of_fault(open, Fault::NotEnoughReplicas).is_empty();
    // Heartbeats may be late for another reason, unless the partitions have too few replicas or the broker has just failed.
    let is_short = refused || numbers.iter().all(|number| topic::is_short(scene, *number));
    let weight = if is_short { Weight::One } else { Weight::Hint };
    let all: BTreeSet<i32> = numbers.into_iter().collect();
    for broker in common.unwrap_or_default() {
        let headline = format!("Broker {broker} has left the cluster, and heartbeats wait for its replicas");
        let evidence = [
            format!("the metadata do not list broker {broker}"),
            format!(
                "heartbeats to {partitions} fail or are overdue, and all of these lack a replica on broker {broker}"
            ),
        ];
        let mut finding = Finding::new(Kind::Broker, broker, weight, headline).because(evidence);
        finding.brokers.insert(broker);
        open.explain_partitions(&all, finding);
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
    let may_be_throttled = open.partitions.values().all(|trouble| trouble.bad == 0)
        && since.is_some_and(|since| scene.at < since + THROTTLING_FOLLOWS);
    let weight = if may_be_throttled { Weight::Hint } else { Weight::One };
    let finding = Finding::new(Kind::Cluster, "", weight, "Heartbeats fail on every partition");
    let evidence =
        "heartbeats to every partition fail or are overdue, and sessions with every broker can be opened";
    let all = open.partitions.keys().copied().collect();
    open.explain_partitions(&all, finding.because([evidence.to_owned()]));
}
