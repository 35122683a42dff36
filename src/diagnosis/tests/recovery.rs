//! What is said after a fault ended, while heartbeats have not recovered.

use super::{at, blamed, fail, failed, fine, led_by, trouble, world::after};
use crate::{
    diagnosis::{
        Confidence::{self, Likely, Suspected},
        Diagnosis, Diagnostician, Kind, Scene, Session, Trouble,
    },
    kafka::{BrokerId, Fault, Stage},
};

/// The diagnosis after the name of broker 2 could not be looked up, of scenes with sessions that can be opened again.
fn after_a_lost_name(scenes: &[Scene]) -> Diagnosis {
    let mut diagnostician = Diagnostician::default();
    let mut fault = fine();
    trouble(&mut fault, None, led_by(2));
    fail(&mut fault, &[2], &failed(Stage::Dns, Fault::Dns, true));
    diagnostician.diagnose(&fault);
    let last = scenes.iter().map(|scene| diagnostician.diagnose(scene)).last();
    last.expect("a scene")
}

/// A scene so many seconds after sessions with broker 2 could be opened again, with heartbeats that were due before.
fn opened(seconds: u64) -> Scene {
    let mut scene = fine();
    scene.at = at(101 + seconds);
    trouble(&mut scene, None, led_by(2));
    let open = Session::Open { at: scene.at, since: at(101), slow: None };
    fail(&mut scene, &[2], &open);
    scene
}

fn only(diagnosis: &Diagnosis) -> (Kind, &str, Confidence) {
    let blamed = blamed(diagnosis);
    assert_eq!(blamed.len(), 1, "{blamed:?}");
    blamed[0]
}

#[test]
fn suspect_stays_until_heartbeats_have_recovered_from_it() {
    let scenes = [opened(1), opened(9)];
    let found = after_a_lost_name(&scenes);
    assert_eq!(only(&found), (Kind::Dns, "b2.example", Likely));
    let suspect = &found.suspects[0];
    assert_eq!(
        suspect.evidence,
        ["heartbeats to partitions 1 and 4 have not recovered since sessions with broker 2 failed"]
    );
    assert_eq!(suspect.against, ["sessions with broker 2 can be opened again"]);
    let well = Scene { at: at(103), ..fine() };
    assert_eq!(after_a_lost_name(&[opened(1), well]).suspects, []);
}

#[test]
fn broker_is_blamed_if_its_heartbeats_do_not_recover_in_time() {
    let scenes = [opened(1), opened(10)];
    assert_eq!(only(&after_a_lost_name(&scenes)), (Kind::Broker, "2", Suspected));
}

#[test]
fn heartbeats_that_fail_later_than_the_sessions_are_no_consequence_of_them() {
    let mut later = opened(5);
    for partition in later.partitions.values_mut() {
        partition.trouble = partition.trouble.take().map(|trouble| Trouble { since: at(103), ..trouble });
    }
    assert_eq!(only(&after_a_lost_name(&[opened(1), later])), (Kind::Broker, "2", Suspected));
    // Without an earlier suspect the broker is blamed at once.
    assert_eq!(only(&after(&opened(2), 0)), (Kind::Broker, "2", Suspected));
    assert_eq!(only(&after(&opened(2), 3)), (Kind::Broker, "2", Likely));
}

#[test]
fn rack_stays_the_suspect_until_a_session_with_each_of_its_brokers_was_tried_again() {
    let rack = |scene: &mut Scene| {
        for id in [1, 2].map(BrokerId) {
            scene.brokers.get_mut(&id).expect("a broker").rack = Some("a".to_owned());
        }
    };
    let mut fault = fine();
    rack(&mut fault);
    fail(&mut fault, &[1, 2], &failed(Stage::Tcp, Fault::Timeout, true));
    let mut diagnostician = Diagnostician::default();
    diagnostician.diagnose(&fault);
    // A session with broker 2 is opened before the next one with broker 1 is tried.
    let half = |last: u64| {
        let mut scene = Scene { at: at(101), ..fault.clone() };
        fail(&mut scene, &[2], &Session::Open { at: at(100), since: at(100), slow: None });
        let failed = Session::Failed {
            stage: Stage::Tcp,
            fault: Fault::Timeout,
            times: 8,
            since: at(97),
            last: at(last),
            listed: true,
            in_sync: false,
        };
        fail(&mut scene, &[1], &failed);
        scene
    };
    let found = diagnostician.diagnose(&half(100));
    assert_eq!(only(&found), (Kind::Rack, "a", Likely));
    assert_eq!(found.suspects[0].against, ["sessions with broker 2 can be opened again"]);
    // Heartbeats that the broker led are evidence against it once it alone has failed since.
    let mut later = half(102);
    trouble(&mut later, None, led_by(1));
    let found = diagnostician.diagnose(&later);
    assert_eq!(only(&found), (Kind::Broker, "1", Likely), "only this broker has failed since");
    let led = "broker 1 leads partitions 0 and 3, where 0 of the last heartbeats were bad and 4 are overdue";
    assert!(found.suspects[0].evidence.iter().any(|sentence| sentence == led), "{:?}", found.suspects);
}

#[test]
fn suspect_of_all_brokers_ends_ten_seconds_after_the_first_of_them_is_back() {
    let mut fault = fine();
    trouble(&mut fault, None, |_, _| true);
    fail(&mut fault, &[1, 2, 3], &failed(Stage::Sasl, Fault::Authentication, true));
    let mut diagnostician = Diagnostician::default();
    assert_eq!(only(&diagnostician.diagnose(&fault)), (Kind::Credentials, "", Likely));
    let back = |now: u64, last: u64| {
        let mut scene = fine();
        scene.at = at(now);
        trouble(&mut scene, None, led_by(3));
        for (id, since) in [(1, 101), (2, 105), (3, last)] {
            fail(&mut scene, &[id], &Session::Open { at: at(now), since: at(since), slow: None });
        }
        scene
    };
    assert_eq!(only(&diagnostician.diagnose(&back(110, 109))), (Kind::Credentials, "", Likely));
    assert_eq!(only(&diagnostician.diagnose(&back(111, 109))), (Kind::Broker, "3", Suspected));
}

#[test]
fn missing_permission_is_not_hidden_by_a_suspect_that_recovers() {
    let mut scene = opened(1);
    trouble(&mut scene, Some(Fault::Authorization), led_by(2));
    let found = after_a_lost_name(&[scene]);
    assert_eq!(blamed(&found).first().map(|(kind, ..)| *kind), Some(Kind::Authorization));
}
