//! Whole stories: a month of a cluster, and what happens to a memory that is lost, written or late. Those of traffic alone
//! are beside its arithmetic.

mod world;

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

pub(crate) use world::{World, look};

use super::{Judge, Kept, Kind, Life, Moment, Status, Verdict};
use crate::config::{Cluster, Sources};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A Monday, midnight.
pub(crate) const MONDAY: u64 = 1_780_272_000;

pub(crate) fn cluster() -> Cluster {
    let sources = Sources { bootstrap: Some("b:1".to_owned()), ..Sources::default() };
    crate::config::load(&sources).expect("valid").clusters.remove(0)
}

/// A number from 0.9 to 1.1 that looks like chance.
fn noise(second: u64) -> f64 {
    let hash = second.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    0.9 + 0.2 * (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// Records a second that are usual: most of them at noon, few at night and at weekends.
fn usual(second: u64) -> f64 {
    let (day, of_day) = (second / DAY % 7, (second % DAY) as f64 / DAY as f64);
    let daily = 60.0 - 40.0 * (of_day * std::f64::consts::TAU).cos();
    daily * if day >= 5 { 0.3 } else { 1.0 } * noise(second)
}

#[test]
fn a_month_has_the_incidents_it_had_and_no_other() {
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
    let mut told = Vec::new();
    for now in (0..30 * DAY).step_by(60) {
        // Nothing was written for half an hour one day, and ten times as much for an hour another day.
        let factor = match now {
            now if within(outage, 30, now) => 0.0,
            now if within(replay, 60, now) => 10.0,
            _ => 1.0,
        };
        *world.ends.get_mut("orders").expect("a topic") += (usual(now) * factor * 60.0) as i64;
        // Every Wednesday the consumer is deployed anew, which takes three minutes, and once it took twenty.
        let deploys = (1..=4).any(|week| within(at(week, 2, 10, 0), 3, now)) || within(wednesday, 20, now);
        let (end, read) = (world.ends["orders"], 60 * 2000);
        if !deploys {
            let committed = world.commits.get_mut(&("billing", "orders")).expect("a group");
            *committed = (*committed + read).min(end);
        }
        let (_, changes) = look(&mut judge, &world, now, MONDAY + now, &settings);
        let when = |what: String| {
            let (day, minute) = (now / DAY, now % DAY / 60);
            format!("day {day} {:02}:{:02} {what}", minute / 60, minute % 60)
        };
        told.extend(
            changes
                .statuses
                .iter()
                .map(|change| when(format!("{} on {}: {}", change.group, change.topic, change.to.as_str()))),
        );
        told.extend(
            changes
                .traffic
                .iter()
                .map(|(topic, odd)| when(format!("{topic}: {}", odd.map_or("usual", Kind::as_str)))),
        );
    }
    let expected = [
        // Four minutes after the first look, which is the first of five samples.
        "day 0 00:04 auditor on idle: offline",
        // Of ten minutes eight without a record are a fifth of what is usual, ten are a drop; six with records are
        // more than half way back.
        "day 15 12:07 orders: low",
        "day 15 12:09 orders: drop",
        "day 15 12:30 orders: low",
        "day 15 12:36 orders: usual",
        "day 16 10:04 billing on orders: offline",
        "day 16 10:20 billing on orders: recovering",
        "day 16 10:35 billing on orders: online",
        // One minute of ten with ten times as much is nearly twice as much.
        "day 24 09:00 orders: high",
        "day 24 10:09 orders: usual",
    ];
    assert_eq!(told, expected);
}

#[test]
fn neither_a_failed_look_nor_a_clock_that_steps_changes_a_status() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    let mut changes = Vec::new();
    let mut step = |judge: &mut Judge, world: &World, own: u64, wall: u64| {
        let (judged, found) = look(judge, world, own, wall, &settings);
        changes.extend(found.statuses);
        judged
    };
    for minute in 0..3 {
        step(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE);
    }
    // The wall's clock goes back and forth by an hour, offsets cannot be read, groups are not listed.
    for (minute, skew) in (3..300).zip([0, HOUR, 2 * HOUR].into_iter().cycle()) {
        world.failing.insert("g");
        let judged = step(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE + skew - HOUR);
        assert_eq!(judged.groups["g"].topics["t"].status, Status::Online);
        let nobody = World { unlisted: true, ends: world.ends.clone(), ..World::default() };
        let judged = step(&mut judge, &nobody, minute * MINUTE + 30, MONDAY);
        assert!(!judged.groups["g"].absent);
    }
    assert_eq!(changes, []);
}

#[test]
fn a_listing_that_fails_makes_nobody_live_who_has_left() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    world.empty.insert("g");
    let mut verdict = |world: &World, minute: u64| {
        let (judged, _) = look(&mut judge, world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
        judged.groups["g"].verdict
    };
    let said: Vec<_> = (0..60).map(|minute| verdict(&world, minute)).collect();
    assert_eq!(said.last(), Some(&Some(Verdict::Stop)));
    world.untold = true;
    let said: Vec<_> = (60..80).map(|minute| verdict(&world, minute)).collect();
    assert_eq!(said, [Some(Verdict::Stop); 20]);
}

#[test]
fn who_is_left_out_is_forgotten_though_nobody_can_be_listed() {
    let mut settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits = BTreeMap::from([(("g", "t"), 10), (("h", "t"), 10)]);
    look(&mut judge, &world, 0, MONDAY, &settings);
    settings.lag.groups_filter.exclude(["g".to_owned()].into());
    world.commits.clear();
    world.unlisted = true;
    let (judged, _) = look(&mut judge, &world, 60, MONDAY, &settings);
    assert_eq!(judged.groups.keys().map(|name| &**name).collect::<Vec<_>>(), ["h"]);
}

#[test]
fn who_is_gone_has_no_verdict_after_a_restart_either() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    for minute in 0..9 {
        look(&mut judge, &world, minute * MINUTE, MONDAY, &settings);
    }
    judge.unsaved(true);
    world.commits.clear();
    let gone = [9, 10].map(|minute| look(&mut judge, &world, minute * MINUTE, MONDAY, &settings).1);
    assert_eq!(gone.map(|changes| changes.statuses.len()), [0, 0], "it was offline before");
    let mut again = Judge::default();
    again.remember(judge.unsaved(false).0, Vec::new());
    world.unlisted = true;
    let (judged, _) = look(&mut again, &world, 0, MONDAY, &settings);
    assert_eq!((judged.groups["g"].verdict, judged.groups["g"].absent), (None, false), "nobody has said");
}

#[test]
fn of_a_topic_that_is_made_anew_nothing_old_counts() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 900);
    for minute in 0..9 {
        look(&mut judge, &world, minute * MINUTE, MONDAY, &settings);
    }
    judge.forget("t");
    world.ends.insert("t", 50);
    world.commits.insert(("g", "t"), 10);
    let (judged, _) = look(&mut judge, &world, 9 * MINUTE, MONDAY, &settings);
    let told = &judged.groups["g"];
    assert_eq!(
        (told.verdict, told.topics["t"].stuck, told.topics["t"].advanced),
        (Some(Verdict::Ok), 0, None)
    );
}

#[test]
fn who_is_gone_is_offline_is_remembered_and_is_forgotten_in_time() {
    let mut settings = cluster();
    settings.history.absent_group_retention = Duration::from_secs(HOUR);
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 1000);
    let nobody = World { ends: world.ends.clone(), ..World::default() };
    look(&mut judge, &world, 0, MONDAY, &settings);
    let (once, changes) = look(&mut judge, &nobody, 60, MONDAY + 60, &settings);
    assert!(!once.groups["g"].absent && changes.statuses.is_empty(), "missed once is not gone");
    let (gone, changes) = look(&mut judge, &nobody, 120, MONDAY + 120, &settings);
    assert!(gone.groups["g"].absent && gone.groups["g"].verdict.is_none());
    assert_eq!((gone.groups["g"].topics["t"].status, changes.statuses.len()), (Status::Offline, 1));
    let (later, changes) = look(&mut judge, &nobody, 120 + HOUR - 1, MONDAY, &settings);
    assert!(later.groups.contains_key("g") && changes.statuses.is_empty());
    let (end, _) = look(&mut judge, &nobody, 120 + HOUR, MONDAY, &settings);
    assert!(end.groups.is_empty());
    let (lives, _) = judge.unsaved(true);
    assert_eq!(lives, [("g".into(), "t".into(), None)], "and in the file, too");
}

#[test]
fn verdicts_are_of_the_worst_partition_and_since_they_were_reached() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends = BTreeMap::from([("a", 1000), ("b", 1000)]);
    world.commits = BTreeMap::from([(("g", "a"), 1000), (("g", "b"), 900)]);
    let mut last = None;
    for minute in 0..9 {
        let (judged, _) = look(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
        last = Some(judged.groups["g"].clone());
    }
    let group = last.take().expect("judged");
    assert_eq!(group.verdict, Some(Verdict::Stall), "it has members");
    assert_eq!(group.since, UNIX_EPOCH + Duration::from_secs(MONDAY + 4 * MINUTE));
    assert_eq!((group.topics["a"].stuck, group.topics["b"].stuck), (0, 1));
    assert_eq!(group.topics["b"].verdicts, BTreeMap::from([(0, Verdict::Stall)]));
    // What is not known for a while is what it was, and so is what an earlier run knew.
    world.unknown.insert("b");
    let (judged, _) = look(&mut judge, &world, 540, MONDAY + 540, &settings);
    assert_eq!((judged.groups["g"].verdict, judged.groups["g"].since), (group.verdict, group.since));
    world.unknown.clear();
    let mut again = Judge::default();
    again.remember(judge.unsaved(true).0, Vec::new());
    for minute in 10..13 {
        let (judged, _) = look(&mut again, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
        let told = &judged.groups["g"];
        assert_eq!((told.verdict, told.since), (group.verdict, group.since));
        assert_eq!(told.topics["b"].verdicts, group.topics["b"].verdicts);
    }
    world.commits.insert(("g", "b"), 950);
    let (judged, _) = look(&mut again, &world, 800, MONDAY + 800, &settings);
    assert_eq!(judged.groups["g"].verdict, Some(Verdict::Ok), "it moves");
    // Behind the end of its log is a reset, whatever else is.
    world.commits.insert(("g", "a"), 2000);
    let (judged, _) = look(&mut judge, &world, 900, MONDAY + 900, &settings);
    assert_eq!(judged.groups["g"].verdict, Some(Verdict::Reset));
    // Where that has to be seen twice, as after a restart, it is what it was.
    let mut again = Judge::default();
    again.remember(judge.unsaved(true).0, Vec::new());
    world.unsure = true;
    let (judged, _) = look(&mut again, &world, 960, MONDAY + 960, &settings);
    let since = UNIX_EPOCH + Duration::from_secs(MONDAY + 900);
    assert_eq!((judged.groups["g"].verdict, judged.groups["g"].since), (Some(Verdict::Reset), since));
}

#[test]
fn what_is_remembered_goes_on_where_it_was() {
    let settings = cluster();
    let (mut judge, mut world) = (Judge::default(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 10);
    for minute in 0..3 {
        look(&mut judge, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
    }
    let (lives, baselines) = judge.unsaved(false);
    assert_eq!(lives.len(), 1, "nearer to offline");
    let mut again = Judge::default();
    again.remember(lives, baselines);
    let statuses: Vec<_> = (3..5)
        .map(|minute| {
            let (judged, _) = look(&mut again, &world, minute * MINUTE, MONDAY + minute * MINUTE, &settings);
            judged.groups["g"].topics["t"].status
        })
        .collect();
    assert_eq!(statuses, [Status::Online, Status::Offline], "three samples before, two after");
    let (lives, _) = again.unsaved(false);
    assert_eq!((lives.len(), again.unsaved(false).0.len()), (1, 0), "told once");
    again.not_saved(lives, Vec::new());
    assert_eq!(again.unsaved(false).0.len(), 1, "and once more, if it was not saved");
}

#[test]
fn a_status_without_a_verdict_gets_one_with_the_first_look() {
    let (settings, mut world) = (cluster(), World::default());
    world.ends.insert("t", 1000);
    world.commits.insert(("g", "t"), 1000);
    let mut judge = Judge::default();
    let kept = Kept { life: Life::begin(Moment::default()), verdicts: BTreeMap::new(), judged: None };
    judge.remember(vec![("g".into(), "t".into(), Some(kept))], Vec::new());
    let (judged, _) = look(&mut judge, &world, 60, MONDAY, &settings);
    let group = &judged.groups["g"];
    assert_eq!((group.verdict, group.since), (Some(Verdict::Ok), UNIX_EPOCH + Duration::from_secs(MONDAY)));
}
