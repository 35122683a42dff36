//! Scenes of a small cluster that a test changes by hand, and what must be found in them.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    diagnosis::{
        Broker, Confidence, Diagnosis, Diagnostician, Failure, Kind, Partition, Scene, Session, Trouble,
    },
    kafka::{BrokerId, Fault, Stage},
};

pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// Three brokers in three racks, six partitions with three replicas each, everything fine at second 100.
pub(super) fn fine() -> Scene {
    let ids = [1, 2, 3].map(BrokerId);
    let broker = |id: BrokerId| Broker {
        host: format!("b{id}.example"),
        port: 9092,
        rack: Some(format!("r{id}")),
        session: Session::Open { at: at(100), since: at(0), slow: None },
    };
    let partition = |number: i32| Partition {
        leader: Some(BrokerId(number % 3 + 1)),
        replicas: ids.to_vec(),
        isr: ids.to_vec(),
        trouble: None,
    };
    Scene {
        at: at(100),
        prober: None,
        stalled: None,
        login: None,
        topic: "hb".to_owned(),
        topic_missing: false,
        topic_denied: false,
        min_isr: Some(2),
        partitions: (0..6).map(|number| (number, partition(number))).collect(),
        brokers: ids.into_iter().map(|id| (id, broker(id))).collect(),
        elsewhere: BTreeMap::new(),
        other_clusters: BTreeMap::new(),
        metadata: None,
        differing: BTreeMap::new(),
        compared: 3,
        controller: None,
        throttled: BTreeMap::new(),
        replicas: BTreeMap::new(),
        coordinators: BTreeMap::new(),
        transactions: None,
        registry: None,
        connect: None,
        mirrors: BTreeMap::new(),
    }
}

pub(super) fn failed(stage: Stage, fault: Fault, listed: bool) -> Session {
    Session::Failed { stage, fault, times: 2, since: at(97), last: at(99), listed, in_sync: false }
}

pub(super) fn failure(stage: Option<Stage>, fault: Fault) -> Failure {
    Failure { stage, fault, message: "b1.example:9092 did not answer".to_owned() }
}

pub(super) fn fail(scene: &mut Scene, brokers: &[i32], session: &Session) {
    for id in brokers {
        scene.brokers.get_mut(&BrokerId(*id)).expect("a broker").session = session.clone();
    }
}

/// Heartbeats to the partitions for which this holds are in trouble.
pub(super) fn trouble(scene: &mut Scene, fault: Option<Fault>, takes: impl Fn(i32, &Partition) -> bool) {
    for (number, partition) in &mut scene.partitions {
        if takes(*number, partition) {
            let (overdue, bad) = if fault.is_some() { (0, 3) } else { (2, 0) };
            partition.trouble = Some(Trouble {
                leader: partition.leader,
                overdue,
                bad,
                fault,
                acknowledged: false,
                since: at(96),
            });
        }
    }
}

pub(super) fn led_by(broker: i32) -> impl Fn(i32, &Partition) -> bool {
    move |_, partition| partition.leader == Some(BrokerId(broker))
}

/// The diagnosis at once, and the one of the same scene so many seconds later.
pub(super) fn after(scene: &Scene, seconds: u64) -> Diagnosis {
    let mut diagnostician = Diagnostician::default();
    let first = diagnostician.diagnose(scene);
    if seconds == 0 {
        return first;
    }
    let later = Scene { at: scene.at + Duration::from_secs(seconds), ..scene.clone() };
    diagnostician.diagnose(&later)
}

pub(super) fn blamed(diagnosis: &Diagnosis) -> Vec<(Kind, &str, Confidence)> {
    assert_eq!(diagnosis.unexplained, Vec::<String>::new());
    let suspects = diagnosis.suspects.iter();
    suspects.map(|suspect| (suspect.kind, suspect.subject.as_str(), suspect.confidence)).collect()
}

/// The suspects at once and after three seconds.
pub(super) fn suspects(change: impl Fn(&mut Scene)) -> [Vec<(Kind, String, Confidence)>; 2] {
    let mut scene = fine();
    change(&mut scene);
    [0, 3].map(|seconds| {
        let diagnosis = after(&scene, seconds);
        blamed(&diagnosis).into_iter().map(|(kind, subject, sure)| (kind, subject.to_owned(), sure)).collect()
    })
}

/// Nobody but this one is suspected, at once and after three seconds with these confidences.
pub(super) fn only(change: impl Fn(&mut Scene), kind: Kind, subject: &str, sure: [Confidence; 2]) {
    let found = suspects(change);
    assert_eq!(found, sure.map(|sure| vec![(kind, subject.to_owned(), sure)]));
}
