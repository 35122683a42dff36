//! A simulated month: two instances that watch one cluster, and one that watches another.

use std::{collections::BTreeMap, time::Duration};

use kafka_heartbeat::{
    availability::{Audit, Blamed, Counts, Ending, Incident, Interval},
    latency::Exponential,
    probe::heartbeat::Outcome,
    report::{ClusterMonth, Heartbeats, LatencyPromise, Month, Promises, Report, Source},
};

/// Heartbeats in a minute on each of three partitions.
const A_MINUTE: u64 = 60;
const PARTITIONS: i32 = 3;

/// The name of a hostile cluster.
pub(crate) const HOSTILE: &str = "=a|b`c`[d](http://e.example)<script>alert(1)</script>\"\n\u{202e}&amp;";

/// What happened in a minute, counted from the beginning of the month.
pub(crate) struct Seen {
    /// Whether the instance ran.
    pub(crate) measured: bool,
    /// The number of bad heartbeats of all partitions.
    pub(crate) bad: u64,
    /// Whether the bad heartbeats were not acknowledged.
    pub(crate) unacknowledged: bool,
}

const GOOD: Seen = Seen { measured: true, bad: 0, unacknowledged: false };

fn minute_of(day: i64, hour: i64, minute: i64) -> i64 {
    ((day - 1) * 24 + hour) * 60 + minute
}

/// The first instance: a broker failed on the 5th, a disk was slow on the 23rd, and the instance was upgraded on the 17th.
pub(crate) fn first(minute: i64) -> Seen {
    let in_failure = minute - minute_of(5, 9, 12);
    let in_slowness = minute - minute_of(23, 14, 5);
    let in_upgrade = minute - minute_of(17, 3, 0);
    match () {
        () if (0..90).contains(&in_upgrade) => Seen { measured: false, ..GOOD },
        () if (0..7).contains(&in_failure) => {
            Seen { bad: [41, 60, 60, 60, 60, 33, 4][in_failure as usize], unacknowledged: true, ..GOOD }
        }
        () if (0..40).contains(&in_slowness) => Seen { bad: in_slowness.unsigned_abs() % 4, ..GOOD },
        () => GOOD,
    }
}

/// The second instance: it was started on the 3rd, and its own network failed for some minutes on the 12th.
pub(crate) fn second(minute: i64) -> Seen {
    let in_failure = minute - minute_of(12, 22, 0);
    match first(minute) {
        _ if minute < minute_of(3, 8, 30) => Seen { measured: false, ..GOOD },
        _ if (0..4).contains(&in_failure) => Seen { bad: 180, unacknowledged: true, ..GOOD },
        Seen { measured: false, .. } => GOOD,
        // Slowness is seen a little later from here.
        Seen { bad, .. } if bad < 4 => Seen { bad: bad.saturating_sub(1), ..GOOD },
        seen => seen,
    }
}

/// The days of a month in which these things were seen. `seed` makes the latencies differ.
pub(crate) fn days(month: Month, seed: u64, seen: fn(i64) -> Seen) -> Vec<(i64, Interval)> {
    let mut days: BTreeMap<i64, Interval> = BTreeMap::new();
    let mut random = seed;
    for number in 0..(month.end() - month.begin()) / 60 {
        let begin = month.begin() + 60 * number;
        let seen = seen(number);
        if seen.measured {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let minute = minute(begin, &seen, random);
            days.entry(begin - begin.rem_euclid(86_400)).or_default().add(&minute);
        }
    }
    days.into_iter().collect()
}

fn minute(begin: i64, seen: &Seen, random: u64) -> Interval {
    let partition = |partition: i32| {
        let before = A_MINUTE * partition.unsigned_abs() as u64;
        let bad = seen.bad.saturating_sub(before).min(A_MINUTE);
        let good = A_MINUTE - bad;
        let [late, unacked] = [Outcome::Late, Outcome::UnackedMissing].map(|outcome| outcome as usize);
        let mut outcomes = [0; Outcome::ALL.len()];
        outcomes[Outcome::Ok as usize] = good;
        outcomes[if seen.unacknowledged { unacked } else { late }] = bad;
        let rare = u64::from(random.is_multiple_of(97)).min(good);
        let common = good - rare;
        let mut end_to_end =
            Exponential::new(0, -142, vec![common / 6, common / 3, common - common / 6 - common / 3]);
        end_to_end.add(&Exponential::new(0, -100 + (random >> 40) as i32 % 60, vec![rare]));
        // A heartbeat that did not come back by its deadline of 10 s is just above it.
        end_to_end.add(&Exponential::new(0, 54, vec![bad]));
        let unacknowledged = if seen.unacknowledged { bad } else { 0 };
        (partition, Counts { bad, unacknowledged, outcomes, end_to_end })
    };
    let mut minute = Interval {
        measured: Duration::from_secs(60),
        partitions: (0..PARTITIONS).map(partition).collect(),
        audit: Audit { checked: 3, lost: [0, 0, u64::from(seen.bad == 33)] },
        ..Interval::default()
    };
    minute.minutes = minute.as_minute(begin);
    minute
}

/// The incidents that belong to [`first`].
pub(crate) fn incidents(month: Month) -> Vec<Incident> {
    let at =
        |day, hour, minute, second: i64| 1000 * (month.begin() + 60 * minute_of(day, hour, minute) + second);
    let broker = Blamed {
        kind: "broker".to_owned(),
        subject: "2".to_owned(),
        confidence: "certain".to_owned(),
        headline: "Broker 2 cannot be reached".to_owned(),
        evidence: vec!["12 sessions failed one after the other, stage tcp: refused".to_owned()],
    };
    vec![
        Incident {
            begin_ms: at(5, 9, 12, 18),
            end_ms: at(5, 9, 18, 4),
            ending: Ending::Over,
            was_down: false,
            bad: 318,
            suspects: vec![broker],
        },
        Incident {
            begin_ms: at(23, 14, 6, 0),
            end_ms: at(23, 14, 44, 59),
            ending: Ending::Over,
            was_down: false,
            bad: 60,
            suspects: Vec::new(),
        },
    ]
}

/// The objectives of the example configuration.
pub(crate) fn promises() -> Promises {
    Promises {
        availability: Some(99.9),
        latency: Some(LatencyPromise { percent: 99.0, limit_seconds: 1.0 }),
        produce: Some(99.95),
    }
}

fn source(cluster: &str, instance: &str) -> Source {
    Source {
        cluster: cluster.to_owned(),
        instance: Some(instance.to_owned()),
        place: Some(format!("https://{instance}.example")),
        promises: promises(),
        heartbeats: Some(Heartbeats { interval_seconds: 1.0, deadline_seconds: 10.0 }),
    }
}

/// The month of two instances that watch the cluster `orders`, and of one that watches `payments`.
pub(crate) fn report(month: Month) -> Report {
    let made = month.end() + 8 * 3600;
    let facts = |source, seed, seen| {
        let incidents = incidents(month);
        ClusterMonth::new(source, month, made, days(month, seed, seen), &incidents)
    };
    let mut network = facts(source("orders", "heartbeat-b"), 2, second);
    let mut own = network.incidents[0].clone();
    own.begin = 1000 * (month.begin() + 60 * minute_of(12, 22, 0) + 3);
    own.end = own.begin + 236_000;
    (own.bad, own.was_down) = (720, true);
    own.suspects[0].headline = "The network between this host and all brokers fails".to_owned();
    own.suspects[0].evidence = vec!["no broker of 3 accepts a connection, stage tcp: timed_out".to_owned()];
    network.incidents.insert(1, own);
    let quiet = ClusterMonth::new(
        source("payments", "heartbeat-a"),
        month,
        made,
        days(month, 3, |minute| {
            if (20_000..20_700).contains(&minute) { Seen { measured: false, ..GOOD } } else { GOOD }
        }),
        &[],
    );
    let months = vec![facts(source("orders", "heartbeat-a"), 1, first), network, quiet];
    Report::new(month, made, months).expect("a report")
}

/// One day of a cluster whose name, instance and suspects are hostile.
pub(crate) fn hostile(month: Month) -> Report {
    let made = month.begin() + 90_000;
    let mut incidents = incidents(month);
    incidents.truncate(1);
    (incidents[0].begin_ms, incidents[0].end_ms) = (1000 * month.begin(), 1000 * month.begin() + 60_000);
    incidents[0].suspects[0].headline = format!("Topic {HOSTILE} is damaged");
    incidents[0].suspects[0].evidence = vec![HOSTILE.to_owned()];
    let seen =
        |minute| if minute == 0 { Seen { bad: 180, ..GOOD } } else { Seen { measured: minute < 60, ..GOOD } };
    let days = days(month, 4, seen);
    let facts = ClusterMonth::new(source(HOSTILE, HOSTILE), month, made, days, &incidents);
    Report::new(month, made, vec![facts]).expect("a report")
}
