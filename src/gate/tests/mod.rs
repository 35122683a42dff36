//! The judgement of the gate, condition by condition, and its memory.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    condition::{Condition, Finding},
    examine::examine,
    facts::Facts,
    history::{History, Judged},
};
use crate::{
    cluster::Api,
    diagnosis::{Confidence, Diagnosis, Kind, Suspect},
    kafka::{BrokerId, Capability, Fault, Request, Stage},
    probe::{connectivity, coordinators},
    task::{Failure, Latest},
};

mod world;

use world::{change, change_topic, good};

const SECOND: Duration = Duration::from_secs(1);

/// The counts of heartbeats at the look before.
fn before(facts: &Facts) -> Judged {
    Judged { events: 99, bad: 4, grown: facts.now - SECOND }
}

/// What is found, as labels and sentences. A condition that is not looked at has a hyphen before its label.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = good();
    change(&mut facts);
    let findings = examine(&facts, before(&facts)).into_iter();
    let word = |Finding { condition, is_unchecked, sentence }| {
        format!("{}{}: {sentence}", if is_unchecked { "-" } else { "" }, condition.as_str())
    };
    findings.map(word).collect()
}

type Row = (fn(&mut Facts), &'static [&'static str]);

fn compare(table: &[Row]) {
    for (change, expected) in table {
        assert_eq!(found(change), *expected);
    }
}

fn lacks_broker_3(facts: &mut Facts) {
    for name in ["hb", "orders"] {
        change_topic(facts, name, |topic| {
            topic.partitions.values_mut().for_each(|partition| partition.isr.retain(|id| *id != BrokerId(3)));
        });
    }
}

#[test]
fn well_cluster_has_no_finding() {
    compare(&[(|_| {}, &[])]);
}

#[test]
fn replicas_brokers_and_sessions_that_are_missing_close_the_gate() {
    compare(&[
        (
            lacks_broker_3,
            &[
                "in_sync_replicas: 6 partitions lack broker 3 among their in-sync replicas, for example partition 0 of topic hb.",
            ],
        ),
        (
            |facts| {
                change_topic(facts, "orders", |topic| {
                    let partition = topic.partitions.get_mut(&2).expect("a partition");
                    partition.leader = None;
                    partition.isr.truncate(1);
                });
            },
            &[
                "in_sync_replicas: Partition 2 of topic orders has no leader.",
                "in_sync_replicas: Partition 2 of topic orders lacks brokers 2 and 3 among its in-sync replicas.",
            ],
        ),
        (
            |facts| {
                change(&mut facts.metadata, |metadata| {
                    let topics = Arc::make_mut(&mut metadata.topics);
                    topics.insert("odd".to_owned(), Err(Fault::Authorization));
                });
            },
            &[
                "in_sync_replicas: It is not known whether the replicas of topic odd are in sync: authorization.",
            ],
        ),
        (
            |facts| {
                let words = "the metadata contain 2 of 3 brokers that are expected; missing: broker 3";
                Arc::make_mut(&mut facts.verdict).missing = Some(words.to_owned());
            },
            &["brokers: The metadata contain 2 of 3 brokers that are expected; missing: broker 3."],
        ),
        (
            |facts| {
                change(&mut facts.connectivity, |checks| {
                    for check in checks.brokers.values_mut().skip(1) {
                        let message = "refused".to_owned();
                        check.failure =
                            Some(connectivity::Failure { stage: Stage::Tcp, fault: Fault::Refused, message });
                    }
                });
            },
            &[
                "sessions: Broker 2 cannot be reached: stage tcp failed: refused. One more broker cannot be reached.",
            ],
        ),
        (
            |facts| change(&mut facts.connectivity, |checks| _ = checks.brokers.remove(&BrokerId(2))),
            &["sessions: No session with broker 2 has been opened yet."],
        ),
    ]);
}

#[test]
fn reassignment_is_named_while_a_replica_is_not_in_sync() {
    fn moving(facts: &mut Facts, count: Option<usize>) {
        lacks_broker_3(facts);
        change(&mut facts.collect, |collect| {
            let health = crate::collect::topology::Health { reassigning: count, ..Default::default() };
            collect.topology.health.insert("orders".into(), health);
        });
    }
    let last = |change: fn(&mut Facts)| found(change).pop();
    assert_eq!(
        last(|facts| moving(facts, Some(3))).as_deref(),
        Some("reassignments: 3 partitions are being moved to other brokers.")
    );
    let needs = "reassignments: It is not known whether partitions are being moved to other brokers: \
                 ListPartitionReassignments needs Describe on the cluster.";
    assert_eq!(last(|facts| moving(facts, None)).as_deref(), Some(needs));
    assert!(last(|facts| moving(facts, Some(0))).is_some_and(|last| last.starts_with("in_sync_replicas")));
}

#[test]
fn quorum_must_have_a_leader_and_voters_that_are_caught_up() {
    fn unknown(facts: &mut Facts, capability: Capability, fault: Option<Fault>) {
        change(&mut facts.metadata, |metadata| {
            (metadata.quorum, metadata.quorum_capability, metadata.quorum_fault) = (None, capability, fault);
        });
    }
    fn voter(facts: &mut Facts, id: i32, behind: Option<Duration>) {
        change(&mut facts.metadata, |metadata| {
            metadata.voters.insert(BrokerId(id), behind);
        });
    }
    compare(&[
        (
            |facts| unknown(facts, Capability::Unknown, Some(Fault::NoLeader)),
            &["quorum: The quorum has no leader."],
        ),
        (
            |facts| unknown(facts, Capability::Denied, None),
            &[
                "quorum: The state of the quorum is not known: DescribeQuorum is denied: it needs Describe on the cluster.",
            ],
        ),
        (
            |facts| unknown(facts, Capability::Unknown, Some(Fault::Timeout)),
            &["quorum: The state of the quorum is not known: DescribeQuorum failed: timeout."],
        ),
        (
            |facts| unknown(facts, Capability::Unsupported, None),
            &["-quorum: The quorum is not checked: the cluster does not know the request DescribeQuorum."],
        ),
        (|facts| voter(facts, 2, Some(4 * SECOND)), &[]),
        (
            |facts| voter(facts, 2, Some(6 * SECOND)),
            &["quorum: Voter 2 of the quorum has not caught up with the metadata log."],
        ),
        (
            |facts| {
                voter(facts, 2, None);
                voter(facts, 3, None);
            },
            &["quorum: Voters 2 and 3 of the quorum have not caught up with the metadata log."],
        ),
        (
            |facts| voter(facts, 1, None),
            &[
                "-quorum: It is not checked whether the voters of the quorum are caught up: Kafka before 3.3 sends no times.",
            ],
        ),
    ]);
}

#[test]
fn heartbeats_that_are_bad_or_missing_close_the_gate() {
    compare(&[
        (
            |facts| Arc::make_mut(&mut facts.heartbeat).bad_events += 1,
            &["heartbeats: 1 heartbeat was judged bad."],
        ),
        (
            |facts| Arc::make_mut(&mut facts.heartbeat).bad_events += 9,
            &["heartbeats: 9 heartbeats were judged bad."],
        ),
        (
            |facts| {
                let heartbeat = Arc::make_mut(&mut facts.heartbeat);
                (heartbeat.events, heartbeat.bad_events) = (0, 0);
            },
            &["heartbeats: No heartbeat has been judged yet."],
        ),
        (
            |facts| Arc::make_mut(&mut facts.settings).heartbeat.enabled = false,
            &[
                "heartbeats: No heartbeats are sent: enabled is false in [heartbeat]. Without heartbeats the gate stays closed.",
                "-coordinators: The coordinators of consumer groups are not checked: enabled is false in [heartbeat].",
                "-transaction_coordinators: The coordinators of transactions are not checked: enabled is false in [heartbeat].",
            ],
        ),
    ]);
    let facts = good();
    let judged = Judged { events: 100, bad: 4, grown: facts.now - 14 * SECOND };
    assert_eq!(examine(&facts, judged)[0].sentence, "No heartbeat has been judged for 14 s.");
}

#[test]
fn coordinators_that_fail_or_cannot_be_checked_are_named() {
    fn failing(facts: &mut Facts) {
        change(&mut facts.coordinators, |coordinators| {
            for check in coordinators.partitions.values_mut() {
                let (request, fault, since) = (Api::OffsetCommit, Fault::Timeout, Instant::now());
                check.failure = Some(coordinators::Failure { request, fault, since });
            }
        });
    }
    compare(&[
        (
            failing,
            &[
                "coordinators: The coordinators of consumer groups on broker 2 fail for partitions 0 and 1 of __consumer_offsets.",
            ],
        ),
        (
            |facts| facts.coordinators = Latest::new(SECOND),
            &["coordinators: The coordinators of consumer groups have not been checked."],
        ),
        (
            |facts| {
                change(&mut facts.transaction_coordinators, |checks| {
                    checks.partitions.clear();
                    checks.capability = Capability::Denied;
                });
            },
            &[
                "transaction_coordinators: The coordinators of transactions are not checked: InitProducerId is denied: it needs \
               Write on the transactional ids named after the heartbeat topic, and Describe on the topic __transaction_state.",
            ],
        ),
        (
            |facts| change(&mut facts.coordinators, |checks| checks.capability = Capability::Unsupported),
            &[
                "-coordinators: The coordinators of consumer groups are not checked: there is no topic __consumer_offsets.",
            ],
        ),
        (
            |facts| Arc::make_mut(&mut facts.settings).coordinators.enabled = false,
            &[
                "-coordinators: The coordinators of consumer groups are not checked: enabled is false in [coordinators].",
            ],
        ),
    ]);
}

#[test]
fn service_that_does_not_measure_closes_the_gate() {
    compare(&[
        (
            |facts| facts.now += 9 * SECOND,
            &["measuring: The part of the service that judges heartbeats has published nothing for 9 s."],
        ),
        (
            |facts| Arc::make_mut(&mut facts.heartbeat).prober_trouble = Some(facts.now - SECOND),
            &["measuring: The process of the service did not run for a moment, so it could not measure."],
        ),
        (
            |facts| {
                let (fault, message, since) = (Fault::Timeout, "no answer".to_owned(), SystemTime::now());
                facts.metadata.failure = Some(Failure { fault, stage: None, message, since });
            },
            &["metadata: The cluster does not send its metadata: no answer."],
        ),
        (
            |facts| facts.metadata = Latest::new(SECOND),
            &["metadata: The metadata of the cluster are not known yet."],
        ),
        (
            |facts| {
                change(&mut facts.collect, |collect| {
                    collect.described = Capability::Unknown;
                    collect.hiding.push(Request::Metadata);
                });
            },
            &[
                "-in_sync_replicas: Topics that the principal may not see are not checked: Metadata may leave something out: \
               to see everything it needs Describe on the topics.",
            ],
        ),
    ]);
}

#[test]
fn suspects_close_the_gate() {
    fn suspected(facts: &mut Facts, count: usize) {
        let suspect = Suspect {
            kind: Kind::Broker,
            subject: "3".to_owned(),
            confidence: Confidence::Suspected,
            since: SystemTime::now(),
            headline: "Broker 3 does not answer".to_owned(),
            evidence: Vec::new(),
            against: Vec::new(),
            confirm: "",
        };
        let diagnosis = Diagnosis { suspects: vec![suspect; count], unexplained: Vec::new() };
        Arc::make_mut(&mut facts.verdict).diagnosis = Some(diagnosis);
    }
    compare(&[
        (|facts| suspected(facts, 1), &["suspects: Broker 3 does not answer."]),
        (
            |facts| suspected(facts, 2),
            &["suspects: Broker 3 does not answer. One more component is suspected."],
        ),
        (
            |facts| Arc::make_mut(&mut facts.verdict).diagnosis = None,
            &["suspects: The diagnosis has not begun yet."],
        ),
    ]);
}

#[test]
fn gate_opens_when_every_condition_has_held_for_as_long_as_is_wanted() {
    let begun = Instant::now();
    let mut history = History::new(begun);
    let at = |second| begun + second * SECOND;
    let mut note = |second, findings| history.note(&Facts { now: at(second), ..good() }, findings);
    note(1, vec![Finding::closes(Condition::Metadata, "The metadata are not known yet.")]);
    note(20, vec![Finding::closes(Condition::Heartbeats, "2 heartbeats were judged bad.")]);
    note(21, vec![Finding::unchecked(Condition::Quorum, "The quorum is not checked.")]);
    let answer = |second, findings| history.answer(findings, 30 * SECOND, at(second));
    let sentences = |second| {
        let answer = answer(second, Vec::new());
        assert_eq!(answer.is_open(), answer.reasons.is_empty());
        let sentences: Vec<_> = answer.reasons.into_iter().map(|reason| reason.sentence).collect();
        (sentences.join(" "), answer.left.map(|left| left.as_secs()))
    };
    let young = "The service has measured this cluster for only 25 s since it was started, and the gate waits for 30 s.";
    assert_eq!(sentences(25), (young.to_owned(), Some(25)), "the beginning alone is a reason");
    let bad =
        "2 heartbeats were judged bad. This was last seen 29 s ago, and the gate waits for 30 s without it.";
    assert_eq!(sentences(49), (bad.to_owned(), Some(1)));
    assert_eq!(sentences(50), (String::new(), Some(0)));
    let now = answer(49, vec![Finding::closes(Condition::Heartbeats, "1 heartbeat was judged bad.")]);
    assert_eq!((now.reasons.len(), now.left), (1, None), "a condition that does not hold now is told once");
    let unchecked = answer(60, vec![Finding::unchecked(Condition::Quorum, "The quorum is not checked.")]);
    assert!(unchecked.is_open());
    assert_eq!(unchecked.not_checked[0].sentence, "The quorum is not checked.");
}

#[test]
fn memory_knows_since_when_no_heartbeat_was_judged() {
    let begun = Instant::now();
    let mut history = History::new(begun);
    for second in [1, 2, 3] {
        history.note(&Facts { now: begun + second * SECOND, ..good() }, Vec::new());
    }
    let judged = history.judged();
    assert_eq!((judged.events, judged.bad, judged.grown), (100, 4, begun + SECOND));
}
