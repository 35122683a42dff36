//! A byte flips on the disk of a follower: the replica is named before it leads, and heartbeats are good all the same.

use std::os::unix::fs::FileExt;

use super::*;

fn of_broker(service: &Service, family: &str, broker: i32) -> Option<f64> {
    service.series(family, &[&format!("broker=\"{broker}\"")])
}

/// The suspects, as kind, subject and confidence.
fn suspects(service: &Service) -> Vec<[String; 3]> {
    let diagnosis = service.api("/api/v1/diagnosis", "k");
    let suspects = diagnosis["suspects"].as_array().expect("a list").iter();
    let text = |suspect: &serde_json::Value, key: &str| suspect[key].as_str().unwrap_or_default().to_owned();
    suspects.map(|suspect| ["kind", "subject", "confidence"].map(|key| text(suspect, key))).collect()
}

/// The place of the first padding of a heartbeat in a segment file, which consists of dots.
fn padding(segment: &std::path::Path) -> u64 {
    let bytes = fs::read(segment).expect("the segment");
    bytes.windows(8).position(|window| window == b"........").expect("a heartbeat") as u64
}

fn overwrite(segment: &std::path::Path, at: u64, byte: u8) {
    let file = fs::File::options().write(true).open(segment).expect("the segment");
    file.write_all_at(&[byte], at).expect("a written byte");
}

#[test]
fn damaged_record_on_a_follower_names_its_replica_and_heartbeats_stay_good() {
    let Some(kafka) = Kafka::start(3) else { return };
    let config = plaintext(&kafka, "hb-replicas") + "[replicas]\ninterval = 1s\ntimeout = 1s\n";
    let service = Service::start(&config);
    service.wait("k", "heartbeats from every partition", 60, |totals| totals.of("ok") >= 12);
    wait_for("good reads from every replica", Duration::from_secs(60), || {
        let good = |broker| {
            let visible = of_broker(&service, "heartbeat_replica_visible_duration_seconds_count", broker);
            visible.is_some_and(|count| count >= 4.0)
                && of_broker(&service, "heartbeat_replica_batches_damaged", broker) == Some(0.0)
                && of_broker(&service, "heartbeat_replica_late_partitions", broker) == Some(0.0)
        };
        [1, 2, 3].into_iter().all(good).then_some(())
    });

    let leaders: BTreeMap<i32, i32> = kafka.leaders("hb-replicas").into_iter().collect();
    let leader = leaders[&0];
    let victim = (1..=3).find(|broker| *broker != leader).expect("a follower");
    let segment = kafka.broker(victim).segment("hb-replicas", 0);
    let at = padding(&segment);
    overwrite(&segment, at, b'!');
    let expected = ["replica".to_owned(), victim.to_string(), "certain".to_owned()];
    wait_for("the replica to be suspected", Duration::from_secs(60), || {
        let found = suspects(&service);
        // A stall of this process hides every other suspect for a while.
        let is_wanted = |found: &[String; 3]| *found == expected || found[0] == "prober";
        assert!(found.iter().all(is_wanted), "{found:?}");
        found.contains(&expected).then_some(())
    });
    assert_eq!(of_broker(&service, "heartbeat_replica_batches_damaged", victim), Some(1.0));
    for broker in (1..=3).filter(|broker| *broker != victim) {
        assert_eq!(of_broker(&service, "heartbeat_replica_batches_damaged", broker), Some(0.0));
    }
    assert!(service.log().contains("the replica has a damaged record of the heartbeat topic"));

    overwrite(&segment, at, b'.');
    wait_for("nobody to be suspected", Duration::from_secs(30), || {
        suspects(&service).is_empty().then_some(())
    });
    assert_eq!(of_broker(&service, "heartbeat_replica_damaged_batches_total", victim), Some(1.0));
}
