//! One of three brokers answers two seconds late: clients and the other brokers are slowed down, and the verdict names the
//! cause.

use super::*;

/// The page as HTML.
fn page(service: &Service) -> String {
    let (status, _, page) = service.request("/", "text/html").expect("the page");
    assert_eq!(status, 200, "{page}");
    page
}

#[test]
fn broker_that_answers_two_seconds_late_is_in_the_verdict_until_it_answers_in_time() {
    let Some((kafka, proxy)) = Kafka::start_behind_proxy(3) else { return };
    let slow = plaintext(&kafka, "hb-slow").replace("deadline = 4s", "deadline = 1500ms");
    let service = Service::start(&slow);
    let verdict = || service.api("/api/v1/status", "k");
    wait_for("a good verdict", Duration::from_secs(60), || (verdict()["verdict"] == "ok").then_some(()));
    assert!(page(&service).contains("Kafka works"));

    proxy.delay(Duration::from_secs(2));
    wait_for("a verdict about the slow broker", Duration::from_secs(20), || {
        (verdict()["verdict"] == "degraded").then_some(())
    });
    // As long as the broker is slow, the cluster is degraded, and the reasons name the broker or the bad heartbeats.
    let begun = Instant::now();
    wait_for("four seconds to pass", Duration::from_secs(60), || {
        let (page, status) = (page(&service), verdict());
        let reasons = status["reasons"].to_string();
        assert!(!page.contains("Kafka works"), "{status:#}");
        assert_eq!(status["verdict"], "degraded", "two brokers answer in time: {status:#}");
        assert!(reasons.contains("were bad") || reasons.contains("broker 3"), "{status:#}");
        (begun.elapsed() > Duration::from_secs(4)).then_some(())
    });
    let bad = service.api("/api/v1/heartbeats?outcome=bad", "k");
    let brokers: BTreeSet<_> =
        bad["bad"].as_array().expect("a list").iter().map(|bad| bad["broker"].to_string()).collect();
    assert!(brokers.contains("3"), "late heartbeats name the leader of their partition: {bad:#}");

    proxy.delay(Duration::ZERO);
    wait_for("a good verdict again", Duration::from_secs(90), || {
        (verdict()["verdict"] == "ok").then_some(())
    });
    assert!(page(&service).contains("Kafka works"));
}
