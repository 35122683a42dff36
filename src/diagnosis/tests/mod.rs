//! Scenes and the suspects that they must give: nobody else may be suspected.

mod connect;
mod coordinators;
mod listeners;
mod metadata;
mod mirrors;
mod recovery;
mod registry;
mod replicas;
mod topic;
mod transactions;
mod world;

use std::time::Duration;

use world::{after, at, blamed, fail, failed, failure, fine, led_by, only, suspects, trouble};

use super::{
    Confidence::{Certain, Likely, Suspected},
    Controller, Diagnostician, Kind, Scene, Session,
};
use crate::kafka::{BrokerId, Fault, Stage};

#[test]
fn nobody_is_suspected_while_everything_is_fine() {
    assert_eq!(suspects(|_| {}), [vec![], vec![]]);
}

#[test]
fn fault_of_this_process_hides_every_other_suspect() {
    let change = |scene: &mut Scene| {
        fail(scene, &[1, 2, 3], &failed(Stage::Tcp, Fault::Timeout, true));
        trouble(scene, None, |_, _| true);
        scene.prober = Some("this process did not run".to_owned());
        scene.throttled.insert("produce", Duration::from_millis(900));
        scene.controller = Some(Controller::Lost);
    };
    only(change, Kind::Prober, "", [Certain, Certain]);
    let slow =
        Session::Open { at: at(100), since: at(0), slow: Some((Duration::from_secs(1), Duration::ZERO)) };
    let slow = |scene: &mut Scene| {
        fail(scene, &[1, 2], &slow);
        scene.prober = Some("this process did not run".to_owned());
    };
    only(slow, Kind::Prober, "", [Certain, Certain]);
}

#[test]
fn stall_of_this_process_is_blamed_only_if_something_seems_to_be_wrong() {
    let stalled = |scene: &mut Scene| scene.stalled = Some("this process did not run".to_owned());
    assert_eq!(suspects(stalled), [vec![], vec![]]);
    let change = |scene: &mut Scene| {
        stalled(scene);
        trouble(scene, None, led_by(2));
        fail(scene, &[2], &failed(Stage::Tcp, Fault::Timeout, true));
    };
    only(change, Kind::Prober, "", [Certain, Certain]);
    let unexplained = |scene: &mut Scene| {
        stalled(scene);
        scene.metadata = Some(failure(None, Fault::Timeout));
    };
    only(unexplained, Kind::Prober, "", [Certain, Certain]);
}

#[test]
fn brokers_that_left_together_are_all_blamed_if_too_few_replicas_are_in_sync() {
    let change = |scene: &mut Scene| {
        for id in [2, 3] {
            scene.brokers.remove(&BrokerId(id));
        }
        trouble(scene, None, |_, _| true);
        for partition in scene.partitions.values_mut() {
            (partition.leader, partition.isr) = (Some(BrokerId(1)), vec![BrokerId(1)]);
        }
    };
    let both = |sure| ["2", "3"].map(|id| (Kind::Broker, id.to_owned(), sure)).to_vec();
    assert_eq!(suspects(change), [both(Suspected), both(Likely)]);
}

#[test]
fn login_that_fails_before_kafka_is_asked_is_no_fault_of_kafka() {
    let login = |fault| {
        move |scene: &mut Scene| {
            trouble(scene, None, |_, _| true);
            scene.login = Some(failure(None, fault));
        }
    };
    only(login(Fault::TokenEndpoint), Kind::IdentityProvider, "", [Likely, Likely]);
    only(login(Fault::InvalidClient), Kind::Credentials, "", [Likely, Likely]);
    only(login(Fault::Clock), Kind::Prober, "", [Likely, Likely]);
}

#[test]
fn names_the_network_and_logins_are_told_apart_by_the_stage_that_fails() {
    let all = |stage, fault| {
        move |scene: &mut Scene| {
            fail(scene, &[1, 2, 3], &failed(stage, fault, true));
            trouble(scene, None, |_, _| true);
        }
    };
    only(all(Stage::Dns, Fault::Dns), Kind::Dns, "", [Likely, Likely]);
    only(all(Stage::Tcp, Fault::Timeout), Kind::ClientNetwork, "", [Suspected, Likely]);
    only(all(Stage::Tcp, Fault::Refused), Kind::Cluster, "", [Suspected, Likely]);
    only(all(Stage::Sasl, Fault::Authentication), Kind::Credentials, "", [Likely, Likely]);
    only(all(Stage::Sasl, Fault::Disconnected), Kind::Credentials, "", [Suspected, Likely]);
    only(all(Stage::Tls, Fault::CertificateUnknownCa), Kind::Certificate, "", [Likely, Likely]);
}

#[test]
fn before_the_first_metadata_the_failure_of_the_bootstrap_servers_is_judged() {
    let first = |stage, fault| {
        move |scene: &mut Scene| {
            scene.brokers.clear();
            scene.partitions.clear();
            scene.metadata = Some(failure(stage, fault));
        }
    };
    only(first(Some(Stage::Dns), Fault::Dns), Kind::Dns, "", [Likely, Likely]);
    only(first(Some(Stage::Sasl), Fault::Authentication), Kind::Credentials, "", [Likely, Likely]);
    only(first(Some(Stage::Tls), Fault::CertificateUnknownCa), Kind::Certificate, "", [Likely, Likely]);
    only(first(Some(Stage::Tcp), Fault::Refused), Kind::Cluster, "", [Suspected, Likely]);
}

#[test]
fn one_broker_of_three_is_blamed_for_what_it_alone_does() {
    let one = |stage, fault| {
        move |scene: &mut Scene| {
            fail(scene, &[2], &failed(stage, fault, true));
            trouble(scene, None, led_by(2));
        }
    };
    only(one(Stage::ApiVersions, Fault::Timeout), Kind::Broker, "2", [Likely, Likely]);
    only(one(Stage::Sasl, Fault::Authentication), Kind::Broker, "2", [Likely, Likely]);
    only(one(Stage::Dns, Fault::Dns), Kind::Dns, "b2.example", [Likely, Likely]);
    only(one(Stage::Tls, Fault::CertificateExpired), Kind::Certificate, "2", [Likely, Likely]);
}

#[test]
fn broker_is_suspected_before_its_session_fails_and_certain_after_ten_seconds() {
    for fault in [None, Some(Fault::Timeout), Some(Fault::Disconnected)] {
        only(|scene| trouble(scene, fault, led_by(3)), Kind::Broker, "3", [Suspected, Likely]);
    }
    let mut scene = fine();
    fail(&mut scene, &[3], &failed(Stage::ApiVersions, Fault::Timeout, true));
    trouble(&mut scene, None, led_by(3));
    assert_eq!(blamed(&after(&scene, 10)), [(Kind::Broker, "3", Certain)]);
    let suspect = &after(&scene, 10).suspects[0];
    assert_eq!(suspect.headline, "Broker 3 does not answer");
    assert_eq!(
        suspect.evidence,
        [
            "no session with broker 3 could be opened: stage api_versions failed: timeout",
            "2 sessions failed one after the other",
            "broker 3 leads partitions 2 and 5, where 0 of the last heartbeats were bad and 4 are overdue",
            "sessions with brokers 1 and 2 can be opened",
        ]
    );
}

#[test]
fn broker_that_hangs_is_blamed_for_the_partitions_that_wait_for_its_replicas() {
    let change = |scene: &mut Scene| {
        fail(scene, &[2], &failed(Stage::ApiVersions, Fault::Timeout, true));
        trouble(scene, None, |_, _| true);
    };
    only(change, Kind::Broker, "2", [Likely, Likely]);
}

#[test]
fn cluster_is_not_blamed_before_the_sessions_with_all_brokers_were_looked_at() {
    let early = |scene: &mut Scene| {
        trouble(scene, None, |_, _| true);
        fail(scene, &[1, 2, 3], &Session::Open { at: at(95), since: at(0), slow: None });
    };
    assert_eq!(suspects(early), [vec![], vec![]]);
    let overdue = |scene: &mut Scene| trouble(scene, None, |_, _| true);
    only(overdue, Kind::Cluster, "", [Suspected, Suspected]);
    let long = |scene: &mut Scene| {
        overdue(scene);
        let troubles = scene.partitions.values_mut().filter_map(|partition| partition.trouble.as_mut());
        troubles.for_each(|trouble| trouble.since = at(90));
    };
    only(long, Kind::Cluster, "", [Suspected, Likely]);
    only(|scene| trouble(scene, Some(Fault::Timeout), |_, _| true), Kind::Cluster, "", [Suspected, Likely]);
}

#[test]
fn planned_restart_of_a_broker_is_never_more_than_a_suspicion() {
    let restart = |scene: &mut Scene| {
        fail(scene, &[2], &failed(Stage::Tcp, Fault::Refused, false));
        for partition in scene.partitions.values_mut().filter(|p| p.leader == Some(BrokerId(2))) {
            partition.leader = Some(BrokerId(1));
        }
    };
    let mut scene = fine();
    restart(&mut scene);
    for session in
        [failed(Stage::Tcp, Fault::Refused, false), failed(Stage::ApiVersions, Fault::Disconnected, false)]
    {
        fail(&mut scene, &[2], &session);
        let Session::Failed { stage, fault, since, last, .. } = session else { panic!("it failed") };
        let once = Session::Failed { stage, fault, times: 1, since, last, listed: false, in_sync: false };
        fail(&mut scene, &[2], &once);
        assert_eq!(blamed(&after(&scene, 30)), [(Kind::Broker, "2", Suspected)]);
    }
}

#[test]
fn killed_broker_stays_a_suspect_after_it_left_the_metadata_and_until_it_is_back() {
    let mut diagnostician = Diagnostician::default();
    let mut scene = fine();
    fail(&mut scene, &[2], &failed(Stage::Tcp, Fault::Refused, true));
    assert_eq!(blamed(&diagnostician.diagnose(&scene)), [(Kind::Broker, "2", Likely)]);
    let gone = |seconds: u64| {
        let mut scene = Scene { at: at(100 + seconds), ..fine() };
        scene.brokers.remove(&BrokerId(2));
        scene
    };
    assert_eq!(blamed(&diagnostician.diagnose(&gone(9))), [(Kind::Broker, "2", Likely)]);
    let mut waiting = gone(9);
    trouble(&mut waiting, None, led_by(2));
    assert_eq!(
        blamed(&diagnostician.diagnose(&waiting)),
        [(Kind::Broker, "2", Likely)],
        "its heartbeats wait"
    );
    assert_eq!(blamed(&diagnostician.diagnose(&gone(10))), [(Kind::Broker, "2", Certain)]);
    assert_eq!(blamed(&diagnostician.diagnose(&Scene { at: at(200), ..fine() })), []);
}

#[test]
fn one_broker_is_not_blamed_before_the_others_were_looked_at_and_not_while_they_come_back() {
    let blame = |others: Session| {
        move |scene: &mut Scene| {
            fail(scene, &[1, 3], &others);
            fail(scene, &[2], &failed(Stage::Sasl, Fault::Authentication, true));
        }
    };
    let stale = Session::Open { at: at(95), since: at(0), slow: None };
    only(blame(stale), Kind::Broker, "2", [Suspected, Suspected]);
    let back = Session::Open { at: at(101), since: at(101), slow: None };
    only(blame(back), Kind::Broker, "2", [Suspected, Suspected]);
}

#[test]
fn partitions_that_wait_for_a_broker_outside_the_metadata_are_no_fault_of_the_cluster() {
    let change = |scene: &mut Scene| {
        scene.brokers.remove(&BrokerId(3));
        trouble(scene, Some(Fault::NotEnoughReplicas), |_, _| true);
        scene.partitions.values_mut().for_each(|partition| partition.isr = vec![BrokerId(1), BrokerId(2)]);
    };
    only(change, Kind::Broker, "3", [Suspected, Likely]);
}

#[test]
fn follower_that_holds_up_two_leaders_is_blamed_and_not_the_leaders() {
    let change =
        |scene: &mut Scene| trouble(scene, None, |_, partition| partition.leader != Some(BrokerId(3)));
    only(change, Kind::Replica, "3", [Suspected, Likely]);
}

#[test]
fn stall_of_this_process_does_not_end_a_suspicion() {
    let mut diagnostician = Diagnostician::default();
    let mut scene = fine();
    fail(&mut scene, &[2], &failed(Stage::ApiVersions, Fault::Timeout, true));
    diagnostician.diagnose(&scene);
    let stalled = Scene { at: at(105), prober: Some("this process did not run".to_owned()), ..scene.clone() };
    assert_eq!(blamed(&diagnostician.diagnose(&stalled)), [(Kind::Prober, "", Certain)]);
    let later = Scene { at: at(110), ..scene };
    assert_eq!(blamed(&diagnostician.diagnose(&later)), [(Kind::Broker, "2", Certain)]);
}

#[test]
fn rack_stays_a_suspect_after_its_brokers_left_the_metadata() {
    let mut diagnostician = Diagnostician::default();
    let mut scene = fine();
    for id in [1, 2] {
        scene.brokers.get_mut(&BrokerId(id)).expect("a broker").rack = Some("a".to_owned());
    }
    fail(&mut scene, &[1, 2], &failed(Stage::Tcp, Fault::Timeout, true));
    assert_eq!(blamed(&diagnostician.diagnose(&scene)), [(Kind::Rack, "a", Likely)]);
    scene.at = at(111);
    scene.brokers.retain(|id, _| *id == BrokerId(3));
    assert_eq!(blamed(&diagnostician.diagnose(&scene)), [(Kind::Rack, "a", Certain)]);
}

#[test]
fn rack_is_blamed_if_all_its_brokers_fail_and_no_other() {
    let change = |scene: &mut Scene| {
        for id in [1, 2] {
            scene.brokers.get_mut(&BrokerId(id)).expect("a broker").rack = Some("a".to_owned());
        }
        fail(scene, &[1, 2], &failed(Stage::Tcp, Fault::Timeout, true));
        trouble(scene, None, |_, _| true);
    };
    only(change, Kind::Rack, "a", [Likely, Likely]);
}

#[test]
fn two_brokers_in_different_racks_are_two_suspects() {
    let found = suspects(|scene| {
        fail(scene, &[1], &failed(Stage::Tcp, Fault::Refused, true));
        fail(scene, &[3], &failed(Stage::ApiVersions, Fault::Timeout, true));
        trouble(scene, None, |_, _| true);
    });
    let both = ["1", "3"].map(|id| (Kind::Broker, id.to_owned(), Likely)).to_vec();
    assert_eq!(found, [both.clone(), both]);
}

#[test]
fn slow_broker_is_blamed_and_slowness_of_all_is_only_a_hint() {
    let slow = Session::Open {
        at: at(100),
        since: at(0),
        slow: Some((Duration::from_millis(210), Duration::from_millis(3))),
    };
    only(|scene| fail(scene, &[2], &slow), Kind::Broker, "2", [Suspected, Likely]);
    only(|scene| fail(scene, &[1, 2, 3], &slow), Kind::Cluster, "", [Suspected, Suspected]);
    let beside = suspects(|scene| {
        fail(scene, &[2], &slow);
        fail(scene, &[3], &failed(Stage::Tcp, Fault::Refused, true));
    });
    let both = [(Kind::Broker, "3".to_owned(), Likely), (Kind::Broker, "2".to_owned(), Suspected)];
    assert_eq!(beside, [both.to_vec(), both.to_vec()], "a broker has more work after another one failed");
}

#[test]
fn permissions_quotas_and_the_controller_are_named() {
    let denied = |scene: &mut Scene| trouble(scene, Some(Fault::Authorization), |_, _| true);
    only(denied, Kind::Authorization, "hb", [Certain, Certain]);
    let throttled = |scene: &mut Scene| {
        scene.throttled.insert("produce", Duration::from_millis(900));
        trouble(scene, None, |_, _| true);
    };
    only(throttled, Kind::Quota, "produce", [Likely, Likely]);
    for controller in
        [Controller::Lost, Controller::KeepsChanging { times: 4, within: Duration::from_secs(12) }]
    {
        only(|scene| scene.controller = Some(controller), Kind::Controller, "", [Suspected, Likely]);
    }
}

#[test]
fn symptom_that_nothing_explains_is_reported_after_five_seconds() {
    let mut scene = fine();
    scene.metadata = Some(failure(None, Fault::Timeout));
    assert_eq!(after(&scene, 4).unexplained, Vec::<String>::new());
    assert_eq!(after(&scene, 5).unexplained, ["the metadata cannot be read: b1.example:9092 did not answer"]);
    assert_eq!(after(&scene, 5).suspects, []);
}

#[test]
fn network_of_this_machine_is_not_excluded_if_the_cluster_has_one_broker() {
    let against = |count: i32| {
        let mut scene = fine();
        scene.brokers.retain(|id, _| id.0 <= count);
        fail(&mut scene, &[1], &failed(Stage::Tcp, Fault::Timeout, true));
        after(&scene, 0).suspects[0].against.clone()
    };
    let words = "the cluster has no other broker, so the network of this machine may be cut as well";
    assert_eq!(against(1), [words]);
    assert_eq!(against(2), Vec::<String>::new());
}
