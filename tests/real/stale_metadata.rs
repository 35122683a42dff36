//! A broker that has lost the controllers still answers, with the metadata of before. It is found by comparing the brokers.

use super::{
    support::kafka::{
        Extras,
        cut::{Cut, may_cut},
    },
    *,
};

/// The value of a broker; `None` if it did not answer.
fn differs(service: &Service, broker: i32) -> Option<f64> {
    service.series("heartbeat_broker_metadata_differs", &[&format!("broker=\"{broker}\"")])
}

fn suspects(service: &Service) -> Vec<(String, String)> {
    let diagnosis = service.api("/api/v1/diagnosis", "k");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let suspects = diagnosis["suspects"].as_array().expect("a list").iter();
    suspects.map(|suspect| (text(&suspect["kind"]), text(&suspect["subject"]))).collect()
}

#[test]
fn broker_that_has_lost_the_controllers_is_reported_with_its_old_metadata() {
    if !may_cut() {
        assert!(std::env::var("CI").is_err(), "the packet filter must be there under CI=true");
        return eprintln!("skipped: this user may not change the packet filter");
    }
    let Some(kafka) = Kafka::start_with(3, &Extras { own_groups: true, ..Extras::default() }) else { return };
    let service = Service::start(&plaintext(&kafka, "hb-stale"));
    wait_for("metadata that agree", Duration::from_secs(60), || {
        [1, 2, 3].into_iter().all(|broker| differs(&service, broker) == Some(0.0)).then_some(())
    });
    service.wait("k", "heartbeats from every partition", 60, |totals| totals.of("ok") >= 12);
    // The leader of the quorum would be replaced, and the old leader would not know it for a while.
    let victim = [1, 2, 3].into_iter().find(|broker| {
        let leads = format!("broker=\"{broker}\"");
        service.series("heartbeat_quorum_leader_info", &[&leads]).is_none()
    });
    let victim = victim.expect("two brokers do not lead the quorum");

    let cut = Cut::between(kafka.broker(victim), kafka.brokers());
    let begun = Instant::now();
    let stale = ("metadata".to_owned(), victim.to_string());
    // Kafka has voters that ask before they elect since 4.0. Before, the voter that is cut off forces elections without end, and
    // the metadata of all brokers agree.
    let elections = ("controller".to_owned(), String::new());
    let found = wait_for("the broker or the controllers to be suspected", Duration::from_secs(80), || {
        let found = suspects(&service);
        (found.contains(&stale) || found.contains(&elections)).then_some(found)
    });
    eprintln!("suspected after {:.1} s: {found:?}", begun.elapsed().as_secs_f32());
    if found.contains(&stale) {
        assert_eq!(differs(&service, victim), Some(1.0));
    }
    for broker in (1..=3).filter(|broker| *broker != victim) {
        assert_eq!(differs(&service, broker), Some(0.0), "broker {broker}");
        assert!(found.iter().all(|(_, subject)| *subject != broker.to_string()), "{found:?}");
    }

    drop(cut);
    wait_for("metadata that agree again", Duration::from_secs(60), || {
        (differs(&service, victim) == Some(0.0) && suspects(&service).is_empty()).then_some(())
    });
}
