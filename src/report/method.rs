//! How the numbers were made, in sentences: so that nobody has to ask, and nobody can argue.

use super::{
    facts::{ClusterMonth, Heartbeats},
    merge::Report,
    words,
};

/// The sentences, in the order of the page.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let points: Vec<_> = report.clusters.iter().flat_map(|cluster| &cluster.vantage_points).collect();
    let mut sentences = vec![heartbeat(&points)];
    sentences.extend(JUDGEMENT.map(str::to_owned));
    if report.clusters.iter().any(|cluster| cluster.merged.is_some()) {
        sentences.push(MERGED.to_owned());
    }
    if points.iter().flat_map(|point| &point.days).any(|day| day.judged() > 0 && !day.has_minutes()) {
        sentences.push(WITHOUT_MINUTES.to_owned());
    }
    sentences
}

fn heartbeat(points: &[&ClusterMonth]) -> String {
    let begin = "A heartbeat is a record with a timestamp that kafka-heartbeat, as any other client, writes to a topic of its own and \
                 reads back. A heartbeat is due on each partition of that topic on a fixed schedule, which never waits for an earlier \
                 heartbeat";
    let mut settings: Vec<Heartbeats> = Vec::new();
    for heartbeats in points.iter().filter_map(|point| point.heartbeats) {
        if !settings.contains(&heartbeats) {
            settings.push(heartbeats);
        }
    }
    match settings[..] {
        [Heartbeats { interval_seconds, deadline_seconds }] => format!(
            "{begin}: every {}. Its deadline is {} after it is due. These are the settings of the day of the report.",
            words::limit(interval_seconds),
            words::limit(deadline_seconds)
        ),
        [] => format!("{begin}. The interval and the deadline are those of the configuration of that time."),
        _ => format!("{begin}. The interval and the deadline differ between the vantage points or clusters."),
    }
}

const JUDGEMENT: [&str; 12] = [
    "A heartbeat is good if Kafka acknowledged it and it was read back, both by its deadline. Otherwise it is bad. It is judged once, at \
     the latest at its deadline, and a judgement is never changed. A heartbeat counts in the minute in which it was judged, which is at the \
     latest its deadline after it was due.",
    "Availability is the share of good heartbeats among the judged heartbeats. An objective is met if the number of heartbeats that missed \
     it is at most its error budget, which is the judged heartbeats times 100 % minus the objective.",
    "The objectives are those of [slo] in the configuration of each service or, for a history file, in the configuration of the command. \
     An objective for thirty days is compared with the whole month.",
    "Time that was not measured is neither good nor bad: the service did not run, or its own machine kept it from running. A heartbeat \
     that the service itself could not send or judge, because it was stalled, had no file descriptor or no valid login, is not \
     judged. How much of the month was measured stands beside every result.",
    "Nothing else was excluded. Maintenance and planned restarts count like any other time.",
    "A latency is the time from the moment at which a heartbeat is due until it was read back, so a wait inside the client counts. A \
     heartbeat that was not read back by its deadline counts as just above the deadline, so no percentile describes the survivors alone.",
    "Latencies are counted in buckets, sixteen for each doubling. A percentile is the upper bound of its bucket and is too large by at most \
     4.4 %. Where heartbeats are in the bucket that holds the limit of an objective, the result is given as a range. No latency above the \
     deadline is known, so a limit above the deadline is replaced by the deadline.",
    "Counts are exact sums of days, as they were stored once a minute. If the service is killed, the last minute is lost and counts as not measured.",
    "An incident is a time in which a heartbeat was bad, no heartbeat got through, or a component was likely to blame. It is over when nothing \
     was wrong for a minute. An incident that began before the month or ended after it is listed with its whole duration. The cause is \
     the conclusion of the service from its own evidence.",
    "The worst minutes are those with the largest share of bad heartbeats, and then with the largest number of them. In a minute in which the service \
     was started again, good heartbeats may be missing from the count.",
    "Durability: a sample of acknowledged heartbeats is read again after minutes and hours. A record that retention, compaction, a deletion of \
     records or a deletion of the topic removed is not lost.",
    "All days and minutes are those of UTC, without daylight saving. A day has 86,400 s; a leap second is in no day. Percentages are \
     rounded down. Objectives for connectivity, freshness and lag are not kept by the history and are not in this report.",
];

const MERGED: &str = "Several vantage points measured the same cluster. Each has its own numbers of heartbeats, and only the worst minutes \
                      add up the heartbeats of several vantage points. A minute is bad if every vantage \
                      point that judged heartbeats in it saw a bad one, so a fault between one vantage point and the cluster does not \
                      count, and a minute that only one vantage point measured counts as that one saw it. The share of good minutes is \
                      made from minutes alone, and a minute is bad if a single heartbeat in it was bad.";

const WITHOUT_MINUTES: &str = "Some days were stored without their minutes. They are in the numbers of heartbeats, and in no number of minutes.";
