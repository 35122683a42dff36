//! Records of the heartbeat topic that a real broker keeps in remote storage alone, which is a folder here.

use std::path::Path;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::*;
use crate::support::{
    groups::{PATIENCE, client},
    kafka::install::tiered_storage,
};

/// The smallest segment that a broker allows, in bytes.
const SEGMENT: usize = 1 << 20;

/// Renames the segments in a folder and its folders, and returns how many there were. The broker finds only those whose names end with
/// `.log`.
fn rename_segments(folder: &Path, from: &str, to: &str) -> usize {
    let mut renamed = 0;
    for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            renamed += rename_segments(&path, from, to);
        } else if let Some(stem) = path.to_str().and_then(|path| path.strip_suffix(from)) {
            fs::rename(&path, format!("{stem}{to}")).expect("renamed");
            renamed += 1;
        }
    }
    renamed
}

#[test]
fn records_in_remote_storage_are_read_and_a_storage_that_is_gone_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let remote = folder.path().join("remote");
    let Some(extras) = tiered_storage(&remote) else { return };
    let Some(kafka) = Kafka::start_single(&extras) else { return };
    let segment = format!("segment.bytes={SEGMENT}");
    let tiered = ["remote.storage.enable=true", "local.retention.bytes=1", &segment];
    kafka.create_topic_with("hb-remote", 1, &tiered);
    let producer: BaseProducer = client(&kafka).create().expect("a producer");
    let payload = vec![b'x'; 10_000];
    for _ in 0..5 * SEGMENT / 2 / payload.len() {
        let record = BaseRecord::<(), _>::to("hb-remote").partition(0).payload(&payload);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
        // One batch for each record, so that segments end where they are full.
        producer.flush(PATIENCE).expect("written");
    }
    let checks = "[remote_reads]\nenabled = true\ninterval = 5s\ntimeout = 5s\n";
    let service = Service::start(&(plaintext(&kafka, "hb-remote") + checks));
    let count = |name: &str| service.sum(&format!("heartbeat_remote_read{name}"), &["broker=\"1\""]);
    wait_for("three reads from remote storage", PATIENCE * 2, || {
        (count("_duration_seconds_count") >= 3.0).then_some(())
    });
    assert_eq!((count("_partitions"), count("s_failing")), (1.0, 0.0), "{}", service.log());
    assert_eq!(count("_failures_total"), 0.0, "{}", service.log());

    assert!(rename_segments(&remote, ".log", ".gone") > 0, "no segment in {}", remote.display());
    wait_for("two failures in a row", PATIENCE * 2, || (count("s_failing") >= 2.0).then_some(()));
    let page = service.request("/", "text/html").expect("the page").2;
    assert!(page.contains("reads in a row failed"), "{page}");
    let totals = service.totals("k");
    assert_eq!(totals.bad(), 0, "heartbeats do not need remote storage: {totals:?}");

    assert!(rename_segments(&remote, ".gone", ".log") > 0);
    wait_for("a good read", PATIENCE * 2, || (count("s_failing") == 0.0).then_some(()));
    assert!(service.log().contains("records in remote storage can be read again"), "{}", service.log());
}
