//! Topics against scripted brokers: logs that grow, are truncated, or have timestamps in the future.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use kafka_heartbeat::{cluster::Api, collect::freshness::State, monitor::Snapshot, task::Cycle};
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest, OffsetFetchRequest};

use super::collect::{
    WRITTEN, batch, brokers, change, commits, coordinates, ends, probe, probe_and_metadata, records,
};
use crate::fake::{Fake, Reply};

/// The log end offset of all partitions of these brokers, which a test can change.
fn end(fakes: &[Fake; 3]) -> Arc<AtomicI64> {
    let end = Arc::new(AtomicI64::new(110));
    for fake in fakes {
        let end = end.clone();
        fake.on(move |request: ListOffsetsRequest, _| {
            let mut answer = ends(&request, |_| 0);
            for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                if partition.offset == 110 {
                    partition.offset = end.load(Relaxed);
                }
            }
            Reply::Answer(answer)
        });
    }
    end
}

fn fetches(fakes: &[Fake; 3]) -> usize {
    fakes.iter().map(Fake::count::<FetchRequest>).sum()
}

#[tokio::test]
async fn records_appended_are_counted_and_published_as_a_rate() {
    let fakes = brokers(2, 3).await;
    let end = end(&fakes);
    let (mut probe, publish) = probe_and_metadata(&fakes, &[]).await;
    let begun = Instant::now();
    let topic = |snapshot: &Snapshot| {
        let topic = &snapshot.topics["topic-1"];
        (topic.appended, topic.rate, topic.freshness.unwrap().appended_at.is_some())
    };
    assert_eq!(topic(&probe.cycle().await.unwrap()), (0, None, false), "one cycle alone gives no rate");
    end.store(140, Relaxed);
    let (appended, rate, moved) = topic(&probe.cycle().await.unwrap());
    assert_eq!((appended, moved), (90, true), "thirty on each partition");
    let rate = rate.unwrap();
    assert!(rate >= 90.0 / begun.elapsed().as_secs_f64() && rate.is_finite(), "{rate}");
    assert_eq!(topic(&probe.cycle().await.unwrap()).1, Some(0.0));
    change(&publish, |topics| {
        let partitions = &mut topics.get_mut("topic-1").unwrap().as_mut().unwrap().partitions;
        partitions.values_mut().for_each(|partition| partition.leader = None);
    });
    let snapshot = probe.cycle().await.unwrap();
    let freshness = snapshot.topics["topic-1"].freshness.unwrap();
    assert_eq!((topic(&snapshot).1, freshness.newest_ms), (None, None), "without a leader nothing is known");
}

#[tokio::test]
async fn age_that_the_broker_does_not_report_is_an_error_and_not_the_earlier_age() {
    let fakes = brokers(1, 3).await;
    let end = end(&fakes);
    let mut probe = probe(&fakes, &[]).await;
    let state = |snapshot: &Snapshot| snapshot.topics["topic-0"].freshness.unwrap().state;
    assert_eq!(state(&probe.cycle().await.unwrap()), State::Ok);
    end.store(111, Relaxed);
    let healthy = end.clone();
    fakes[1].on(move |request: ListOffsetsRequest, _| {
        let newest = request.topics[0].partitions[0].timestamp == -3;
        let mut answer = ends(&request, |_| if newest { 3 } else { 0 });
        for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.offset == 110 {
                partition.offset = healthy.load(Relaxed);
            }
        }
        Reply::Answer(answer)
    });
    for cycle in 1..=2 {
        let snapshot = probe.cycle().await.unwrap();
        assert_eq!(state(&snapshot), State::Error);
        let failed: u64 =
            snapshot.faults.iter().filter(|((api, _), _)| *api == Api::ListOffsets).map(|(_, n)| n).sum();
        assert_eq!(failed, cycle, "the newest timestamp is requested again in each cycle");
    }
    assert_eq!(probe.cycle().await.unwrap().topics["topic-0"].partitions[&1].ends.end, Some(111));
}

#[tokio::test]
async fn log_that_was_truncated_keeps_no_earlier_values() {
    let fakes = brokers(1, 3).await;
    let end = end(&fakes);
    coordinates(&fakes[0], 0, 1);
    for fake in &fakes {
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 3)));
    }
    let mut probe = probe(&fakes, &[]).await;
    let age =
        |snapshot: &Snapshot| snapshot.groups["group-0"].topics["topic-0"][&0].time.unwrap().age.as_secs();
    let before = age(&probe.cycle().await.unwrap());
    let asked = fetches(&fakes);
    _ = probe.cycle().await.unwrap();
    assert_eq!(fetches(&fakes), asked, "a batch header is fetched once");
    // After an unclean election, other records have the offsets of the earlier ones.
    end.store(100, Relaxed);
    for fake in &fakes {
        let log = |_| batch(10..=99, WRITTEN + 3_600_000..=WRITTEN + 3_600_000);
        fake.on(move |request: FetchRequest, _| Reply::Answer(records(&request, log)));
    }
    let after = age(&probe.cycle().await.unwrap());
    assert!((3590..=3610).contains(&(before - after)), "{before} s, then {after} s");
}

#[tokio::test]
async fn record_from_the_future_is_flagged_and_counted_with_old_brokers_as_well() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let ahead = i64::try_from(now).unwrap() + 3_600_000;
    let fakes = brokers(1, 3).await;
    for fake in &fakes {
        fake.versions::<ListOffsetsRequest>(0..=6);
        fake.on(move |request: FetchRequest, _| {
            Reply::Answer(records(&request, |offset| match offset {
                ..=102 => batch(offset..=109, WRITTEN..=WRITTEN + 7),
                _ => batch(offset..=109, ahead..=ahead),
            }))
        });
    }
    let mut probe = probe(&fakes, &[("lag", "enabled", "false")]).await;
    for _ in 0..2 {
        let snapshot = probe.cycle().await.unwrap();
        let topic = &snapshot.topics["topic-0"];
        let freshness = topic.freshness.unwrap();
        assert_eq!((freshness.state, freshness.newest_ms), (State::Future, Some(WRITTEN + 7)));
        assert_eq!(topic.future, 3, "each partition has one, which is counted once");
    }
}

#[tokio::test]
async fn future_state_ends_when_retention_has_removed_its_record_from_an_idle_partition() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let ahead = i64::try_from(now).unwrap() + 3_600_000;
    let fakes = brokers(1, 1).await;
    // The log start offset, the newest timestamp, and the number of requests for the newest timestamp.
    let (start, newest) = (Arc::new(AtomicI64::new(10)), Arc::new(AtomicI64::new(ahead)));
    let asked = Arc::new(AtomicI64::new(0));
    for fake in &fakes {
        let (start, newest, asked) = (start.clone(), newest.clone(), asked.clone());
        fake.on(move |request: ListOffsetsRequest, _| {
            let mut answer = ends(&request, |_| 0);
            for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                match partition.offset {
                    10 => partition.offset = start.load(Relaxed),
                    109 => {
                        partition.timestamp = newest.load(Relaxed);
                        asked.fetch_add(1, Relaxed);
                    }
                    _ => {}
                }
            }
            Reply::Answer(answer)
        });
    }
    let mut probe = probe(&fakes, &[("lag", "enabled", "false")]).await;
    let state = |snapshot: &Snapshot| snapshot.topics["topic-0"].freshness.unwrap().state;
    for _ in 0..3 {
        assert_eq!(state(&probe.cycle().await.unwrap()), State::Future);
    }
    assert!(asked.load(Relaxed) <= 2, "{} times in three cycles", asked.load(Relaxed));
    // Nothing is appended; retention removes the segment with the record.
    start.store(50, Relaxed);
    newest.store(WRITTEN, Relaxed);
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(state(&snapshot), State::Ok);
    assert_eq!(snapshot.topics["topic-0"].freshness.unwrap().newest_ms, Some(WRITTEN));
}
