//! A topic whose segments a real broker copies to remote storage, which is a folder here.

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::{
    groups::{PATIENCE, client, service},
    kafka::{Kafka, install::tiered_storage},
    wait_for,
};

/// The smallest segment that a broker allows, in bytes.
const SEGMENT: usize = 1 << 20;

#[test]
fn offsets_of_both_tiers_are_those_of_kafkas_own_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(extras) = tiered_storage(folder.path()) else { return };
    let Some(kafka) = Kafka::start_single(&extras) else { return };
    let segment = format!("segment.bytes={SEGMENT}");
    kafka.create_topic_with(
        "tiered",
        1,
        &["remote.storage.enable=true", "local.retention.bytes=1", &segment],
    );
    kafka.create_topic("plain", 1);
    let producer: BaseProducer = client(&kafka).create().expect("a producer");
    let payload = vec![b'x'; 10_000];
    let records = 5 * SEGMENT / 2 / payload.len();
    for _ in 0..records {
        let record = BaseRecord::<(), _>::to("tiered").partition(0).payload(&payload);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
        // One batch for each record, so that segments end where they are full.
        producer.flush(PATIENCE).expect("written");
    }
    let service = service(&kafka, "");
    let offset = |name: &str, topic: &str| {
        service.series(&format!("kafka_partition_{name}_offset"), &[&format!("topic=\"{topic}\"")])
    };
    // The broker deletes its own copy of a segment when the segment is in remote storage: then the next offset is the first local one.
    let (local, tiered) = wait_for("two segments to be in remote storage alone", PATIENCE * 2, || {
        let (local, tiered) = (offset("earliest_local", "tiered")?, offset("latest_tiered", "tiered")?);
        (local > records as f64 / 2.0 && local == tiered + 1.0).then_some((local, tiered))
    });
    let asked = |time: &str| {
        let class = "org.apache.kafka.tools.GetOffsetShell";
        let line = kafka.admin(class, &["--topic", "tiered", "--time", time]);
        let number = line.trim().rsplit(':').next().expect("a line");
        number.parse::<f64>().unwrap_or_else(|_| panic!("{line}"))
    };
    assert_eq!((local, tiered), (asked("earliest-local"), asked("latest-tiered")));
    assert_eq!(offset("earliest", "tiered"), Some(0.0), "every record can be read");
    assert_eq!(offset("latest", "tiered"), Some(records as f64));
    assert_eq!(offset("latest", "plain"), Some(0.0));
    assert_eq!((offset("earliest_local", "plain"), offset("latest_tiered", "plain")), (None, None));
}
