//! Tests over many cycles: a month of a cluster, and a memory that is saved, lost or late. Tests of traffic alone are in
//! `anomaly.rs`.

mod world;

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

pub(crate) use world::{World, judge_world};

use super::{BaselineRow, Judge, Kept, Kind, Life, LifeRow, Moment, Progress, Status};
use crate::config::{Cluster, Sources};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A Monday, midnight.
pub(crate) const MONDAY: u64 = 1_780_272_000;

/// The rows that are written once a minute: those whose status, verdict or committed offsets changed.
pub(crate) fn all_unsaved(judge: &mut Judge) -> (Vec<LifeRow>, Vec<BaselineRow>) {
    judge.save_offsets();
    judge.unsaved()
}

/// A cluster with the default settings.
pub(crate) fn cluster() -> Cluster {
    let sources = Sources { bootstrap: Some("b:1".to_owned()), ..Sources::default() };
    crate::config::load(&sources).expect("valid").clusters.remove(0)
}

/// A pseudo-random number from 0.9 to 1.1.
fn noise(second: u64) -> f64 {
    let hash = second.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    0.9 + 0.2 * (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// The usual number of records per second: most of them at noon, few at night and at weekends.
fn usual(second: u64) -> f64 {
    let (day, of_day) = (second / DAY % 7, (second % DAY) as f64 / DAY as f64);
    let daily = 60.0 - 40.0 * (of_day * std::f64::consts::TAU).cos();
    daily * if day >= 5 { 0.3 } else { 1.0 } * noise(second)
}

#[test]
fn month_with_four_incidents_has_exactly_their_changes() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends = BTreeMap::from([("orders", 0), ("idle", 100)]);
    world.commits =
        BTreeMap::from([(("billing", "orders"), 0), (("billing", "idle"), 100), (("auditor", "idle"), 90)]);
    let at = |week: u64, day: u64, hour: u64, minute: u64| {
        (7 * (week - 1) + day) * DAY + hour * HOUR + minute * MINUTE
    };
    let within = |from: u64, minutes: u64, now: u64| (from..from + minutes * MINUTE).contains(&now);
    let (wednesday, outage, replay) = (at(3, 2, 10, 0), at(3, 1, 12, 0), at(4, 3, 9, 0));
    let mut changes_seen = Vec::new();
    for now in (0..30 * DAY).step_by(60) {
        // Nothing was written for half an hour one day, and ten times as much for an hour another day.
        let factor = match now {
            now if within(outage, 30, now) => 0.0,
            now if within(replay, 60, now) => 10.0,
            _ => 1.0,
        };
        *world.ends.get_mut("orders").expect("a topic") += (usual(now) * factor * 60.0) as i64;
        // Every Wednesday the consumer is deployed again, which takes three minutes, and once twenty.
        let deploys = (1..=4).any(|week| within(at(week, 2, 10, 0), 3, now)) || within(wednesday, 20, now);
        let (end, read) = (world.ends["orders"], 60 * 2000);
        if !deploys {
            let committed = world.commits.get_mut(&("billing", "orders")).expect("a group");
            *committed = (*committed + read).min(end);
        }
        let (_, changes) = judge_world(&mut judge, &world, now, MONDAY + now, &settings);
        let when = |what: String| {
            let (day, minute) = (now / DAY, now % DAY / 60);
            format!("day {day} {:02}:{:02} {what}", minute / 60, minute % 60)
        };
        changes_seen.extend(
            changes
                .statuses
                .iter()
                .map(|change| when(format!("{} on {}: {}", change.group, change.topic, change.to.as_str()))),
        );
        changes_seen.extend(
            changes
                .traffic
                .iter()
                .map(|(topic, odd)| when(format!("{topic}: {}", odd.map_or("usual", Kind::as_str)))),
        );
    }
    let expected = [
        // Four minutes after the first cycle, which takes the first of five samples.
        "day 0 00:04 auditor on idle: offline",
        // Eight of ten minutes without a record leave a fifth of the usual rate. Ten are a drop. After six minutes with
        // records the rate is more than half of the usual one.
        "day 15 12:07 orders: low",
        "day 15 12:09 orders: drop",
        "day 15 12:30 orders: low",
        "day 15 12:36 orders: usual",
        "day 16 10:04 billing on orders: offline",
        "day 16 10:20 billing on orders: recovering",
        "day 16 10:35 billing on orders: online",
        // One of ten minutes with ten times the usual rate gives nearly twice the usual rate.
        "day 24 09:00 orders: high",
        "day 24 10:09 orders: usual",
    ];
    assert_eq!(changes_seen, expected);
}

#[test]
fn status_is_kept_when_a_cycle_fails_and_when_the_wall_clock_steps() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    let mut changes = Vec::new();
    let mut step = |judge: &mut Judge, world: &World, own: u64, wall: u64| {
        let (judged, found) = judge_world(judge, world, own, wall, &settings);
        changes.extend(found.statuses);
        judged
    };
    for minute in 0..3 {
        step(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE);
    }
    // The wall clock steps by an hour in both directions, offsets cannot be read, and groups are not listed.
    for (minute, skew) in (3..300).zip([0, HOUR, 2 * HOUR].into_iter().cycle()) {
        world.failing.insert("g");
        let judged = step(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE + skew - HOUR);
        assert_eq!(judged.groups["g"].topics["t"].status, Status::Online);
        let without_groups = World { unlisted: true, ends: world.ends.clone(), ..World::default() };
        let judged = step(&mut judge, &without_groups, minute * MINUTE + 30, MONDAY);
        assert!(!judged.groups["g"].absent);
    }
    assert_eq!(changes, []);
}

#[test]
fn stopped_group_stays_stopped_when_the_listing_fails() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    world.empty.insert("g");
    let mut verdict = |world: &World, minute: u64| {
        let (judged, _) =
            judge_world(&mut judge, world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
        judged.groups["g"].verdict
    };
    let verdicts: Vec<_> = (0..60).map(|minute| verdict(&world, minute)).collect();
    assert_eq!(verdicts.last(), Some(&Some(Progress::Stop)));
    world.stateless = true;
    let verdicts: Vec<_> = (60..80).map(|minute| verdict(&world, minute)).collect();
    assert_eq!(verdicts, [Some(Progress::Stop); 20]);
}

#[test]
fn excluded_group_is_forgotten_although_the_listing_fails() {
    let mut settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits = BTreeMap::from([(("g", "t"), 10), (("h", "t"), 10)]);
    judge_world(&mut judge, &world, 0, MONDAY, &settings);
    settings.lag.groups_filter.exclude(["g".to_owned()].into());
    world.commits.clear();
    world.unlisted = true;
    let (judged, _) = judge_world(&mut judge, &world, 60, MONDAY, &settings);
    assert_eq!(judged.groups.keys().map(|name| &**name).collect::<Vec<_>>(), ["h"]);
}

#[test]
fn deleted_group_has_no_verdict_after_a_restart() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    for minute in 0..9 {
        judge_world(&mut judge, &world, minute * MINUTE, MONDAY, &settings);
    }
    all_unsaved(&mut judge);
    world.commits.clear();
    let deleted = [9, 10].map(|minute| judge_world(&mut judge, &world, minute * MINUTE, MONDAY, &settings).1);
    assert_eq!(deleted.map(|changes| changes.statuses.len()), [0, 0], "the group was offline before");
    let mut again = Judge::default();
    again.remember(judge.unsaved().0, Vec::new());
    world.unlisted = true;
    let (judged, _) = judge_world(&mut again, &world, 0, MONDAY, &settings);
    assert_eq!((judged.groups["g"].verdict, judged.groups["g"].absent), (None, false), "the listing failed");
}

#[test]
fn recreated_topic_is_judged_without_its_old_offsets() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 900);
    for minute in 0..9 {
        judge_world(&mut judge, &world, minute * MINUTE, MONDAY, &settings);
    }
    judge.forget("t");
    world.ends.insert("t", 50);
    world.commits.insert(("g", "t"), 10);
    let (judged, _) = judge_world(&mut judge, &world, 9 * MINUTE, MONDAY, &settings);
    let group_now = &judged.groups["g"];
    assert_eq!(
        (group_now.verdict, group_now.topics["t"].stuck, group_now.topics["t"].advanced),
        (Some(Progress::Ok), 0, None)
    );
}

#[test]
fn deleted_group_is_offline_and_is_forgotten_after_the_retention() {
    let mut settings = cluster();
    settings.history.absent_group_retention = Duration::from_secs(HOUR);
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 1000);
    let without_groups = World { ends: world.ends.clone(), ..World::default() };
    judge_world(&mut judge, &world, 0, MONDAY, &settings);
    let (once, changes) = judge_world(&mut judge, &without_groups, 60, MONDAY + 60, &settings);
    assert!(
        !once.groups["g"].absent && changes.statuses.is_empty(),
        "a group that is missing once is not deleted"
    );
    let (deleted, changes) = judge_world(&mut judge, &without_groups, 120, MONDAY + 120, &settings);
    assert!(deleted.groups["g"].absent && deleted.groups["g"].verdict.is_none());
    assert_eq!((deleted.groups["g"].topics["t"].status, changes.statuses.len()), (Status::Offline, 1));
    let (later, changes) = judge_world(&mut judge, &without_groups, 120 + HOUR - 1, MONDAY, &settings);
    assert!(later.groups.contains_key("g") && changes.statuses.is_empty());
    let (end, _) = judge_world(&mut judge, &without_groups, 120 + HOUR, MONDAY, &settings);
    assert!(end.groups.is_empty());
    let (lives, _) = all_unsaved(&mut judge);
    assert_eq!(lives, [LifeRow::deleted(&"g".into(), &"t".into())], "in the history file, too");
}

#[test]
fn group_has_the_verdict_of_its_worst_partition_since_it_was_reached() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends = BTreeMap::from([("a", 1000), ("b", 1000)]);
    world.commits = BTreeMap::from([(("g", "a"), 1000), (("g", "b"), 900)]);
    let mut last = None;
    for minute in 0..9 {
        let (judged, _) =
            judge_world(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
        last = Some(judged.groups["g"].clone());
    }
    let group = last.take().expect("judged");
    assert_eq!(group.verdict, Some(Progress::Stall), "the group has members");
    assert_eq!(group.since, UNIX_EPOCH + Duration::from_secs(MONDAY + 4 * MINUTE));
    assert_eq!((group.topics["a"].stuck, group.topics["b"].stuck), (0, 1));
    assert_eq!(group.topics["b"].verdicts, BTreeMap::from([(0, Progress::Stall)]));
    // A verdict that is not known for a while stays, and so does a verdict of an earlier run.
    world.unknown.insert("b");
    let (judged, _) = judge_world(&mut judge, &world, 540, MONDAY + 540, &settings);
    assert_eq!((judged.groups["g"].verdict, judged.groups["g"].since), (group.verdict, group.since));
    world.unknown.clear();
    let mut again = Judge::default();
    again.remember(all_unsaved(&mut judge).0, Vec::new());
    for minute in 10..13 {
        let (judged, _) =
            judge_world(&mut again, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
        let group_now = &judged.groups["g"];
        assert_eq!((group_now.verdict, group_now.since), (group.verdict, group.since));
        assert_eq!(group_now.topics["b"].verdicts, group.topics["b"].verdicts);
    }
    world.commits.insert(("g", "b"), 950);
    let (judged, _) = judge_world(&mut again, &world, 800, MONDAY + 800, &settings);
    assert_eq!(judged.groups["g"].verdict, Some(Progress::Ok), "the committed offset moves");
    // A committed offset beyond the log end is a reset, whatever the other partitions are.
    world.commits.insert(("g", "a"), 2000);
    let (judged, _) = judge_world(&mut judge, &world, 900, MONDAY + 900, &settings);
    assert_eq!(judged.groups["g"].verdict, Some(Progress::Reset));
    // After a restart a reset has to be seen in two cycles. Until then the saved verdict stays.
    let mut again = Judge::default();
    again.remember(all_unsaved(&mut judge).0, Vec::new());
    world.unsure = true;
    let (judged, _) = judge_world(&mut again, &world, 960, MONDAY + 960, &settings);
    let since = UNIX_EPOCH + Duration::from_secs(MONDAY + 900);
    assert_eq!((judged.groups["g"].verdict, judged.groups["g"].since), (Some(Progress::Reset), since));
}

#[test]
fn judge_after_a_restart_continues_with_the_saved_samples() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    for minute in 0..3 {
        judge_world(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
    }
    let (lives, baselines) = judge.unsaved();
    assert_eq!(lives.len(), 1, "the group is nearer to offline");
    let mut again = Judge::default();
    again.remember(lives, baselines);
    let statuses: Vec<_> = (3..5)
        .map(|minute| {
            let (judged, _) =
                judge_world(&mut again, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
            judged.groups["g"].topics["t"].status
        })
        .collect();
    assert_eq!(statuses, [Status::Online, Status::Offline], "three samples before, two after");
    let (lives, _) = again.unsaved();
    assert_eq!((lives.len(), again.unsaved().0.len()), (1, 0), "each change is returned once");
    again.not_saved(lives, Vec::new());
    assert_eq!(again.unsaved().0.len(), 1, "a row that was not saved is returned again");
}

#[test]
fn saved_status_without_a_verdict_gets_a_verdict_in_the_first_cycle() {
    let (settings, mut world) = (cluster(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 1000);
    let mut judge = Judge::default();
    let kept = Kept { life: Life::begin(Moment::default()), verdicts: BTreeMap::new(), judged: None };
    judge.remember(vec![LifeRow { group: "g".into(), topic: "t".into(), kept: Some(kept) }], Vec::new());
    let (judged, _) = judge_world(&mut judge, &world, 60, MONDAY, &settings);
    let group = &judged.groups["g"];
    assert_eq!((group.verdict, group.since), (Some(Progress::Ok), UNIX_EPOCH + Duration::from_secs(MONDAY)));
}
