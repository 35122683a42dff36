//! What was measured is kept by minute, and survives the end of the process.

use super::*;

/// The intervals that the service reports: how many heartbeats were judged in all of them, and how long was measured.
fn judged(service: &Service) -> (u64, f64) {
    let answer = service.api("/api/v1/history?step=1m", "k");
    let intervals = answer["intervals"].as_array().expect("a list of intervals");
    for interval in intervals {
        let number = |field: &str| interval[field].as_u64().expect("a number");
        assert_eq!(number("good") + number("bad"), number("judged"), "{interval}");
        let measured = interval["measured_seconds"].as_f64().expect("a duration");
        assert!((0.0..=60.5).contains(&measured), "{interval}");
        assert!(
            interval["latency_seconds"]["p50"].as_f64() <= interval["latency_seconds"]["max"].as_f64(),
            "{interval}"
        );
    }
    let judged = intervals.iter().filter_map(|interval| interval["judged"].as_u64()).sum();
    (judged, intervals.iter().filter_map(|interval| interval["measured_seconds"].as_f64()).sum())
}

#[test]
fn minutes_survive_the_end_and_the_death_of_the_process() {
    let Some(kafka) = Kafka::shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("history.db");
    let config = format!("{}[history]\npath = {}\n", plaintext(kafka, "hb-history"), file.display());
    let first = Service::start(&config);
    let (seen, measured) = wait_for("a minute that is over", Duration::from_secs(120), || {
        Some(judged(&first)).filter(|(judged, _)| *judged > 0)
    });
    assert!(measured > 0.0);
    let counted = first.api("/api/v1/status", "k")["heartbeats"]["slo_events"].as_u64().expect("a number");
    assert!(seen <= counted, "{seen} of {counted}");
    let (status, _) = first.stop();
    assert!(status.success());

    // The last minute is written at the end, although it is not over.
    let second = Service::start(&config);
    wait_for("the intervals of the first run", Duration::from_secs(10), || {
        Some(judged(&second)).filter(|(judged, _)| *judged >= counted)
    });
    // The process is killed.
    drop(second);
    let third = Service::start(&config);
    wait_for("the same intervals", Duration::from_secs(10), || {
        Some(judged(&third)).filter(|(judged, _)| *judged >= counted)
    });
}
