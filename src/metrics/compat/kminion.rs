//! The names of kminion's end-to-end probe.

use crate::{
    board::Readings,
    catalog::compat::kminion as c,
    latency::Buckets,
    metrics::{ClusterLabel, Series, Value, values::text},
    probe::heartbeat::{Outcome, Partition},
};

/// The heartbeat partitions with their counts summed over the brokers that led them. The series of kminion refer to the
/// sums, so they must live as long as the series.
pub struct Kminion<'a>(Vec<Row<'a>>);

struct Row<'a> {
    cluster: &'a str,
    number: String,
    partition: &'a Partition,
    produce: Buckets,
    roundtrip: Buckets,
}

impl<'a> Kminion<'a> {
    /// Sums up the partitions of all clusters.
    pub fn of(clusters: &'a [Readings], label: ClusterLabel) -> Self {
        let partitions = clusters.iter().flat_map(|readings| {
            let cluster = label.value(readings);
            readings.heartbeat.partitions.iter().map(move |(number, partition)| (cluster, number, partition))
        });
        let row = |(cluster, number, partition): (&'a str, &i32, &'a Partition)| {
            let all = || partition.by_broker.values();
            Some(Row {
                cluster,
                number: number.to_string(),
                partition,
                produce: Buckets::sum(all().map(|counts| &counts.produce))?,
                roundtrip: Buckets::sum(all().map(|counts| &counts.end_to_end))?,
            })
        };
        Self(partitions.filter_map(row).collect())
    }

    /// The family.
    pub fn series<'s>(&'s self, series: &mut Vec<Series<'s>>) {
        use Outcome::{Late, Lost, Ok, Rejected, Skipped, UnackedMissing, UnackedReceived, Unsent};
        for Row { cluster, number, partition, produce, roundtrip } in &self.0 {
            let ended = |outcomes: &[Outcome]| {
                let of = |outcome: &Outcome| {
                    partition.by_broker.values().map(|counts| counts.outcomes[*outcome as usize]).sum::<u64>()
                };
                Value::Count(outcomes.iter().map(of).sum())
            };
            let tried: Vec<_> = Outcome::ALL.into_iter().filter(|outcome| *outcome != Skipped).collect();
            let values = [
                (&c::KM_IN_FLIGHT, Value::Count(partition.in_flight)),
                (&c::KM_PRODUCED, ended(&tried)),
                (&c::KM_FAILED, ended(&[Rejected, UnackedReceived, UnackedMissing, Unsent])),
                (&c::KM_RECEIVED, ended(&[Ok, UnackedReceived])),
                (&c::KM_LOST, ended(&[Late, Lost])),
                (&c::KM_PRODUCE, Value::Buckets(produce)),
                (&c::KM_ROUNDTRIP, Value::Buckets(roundtrip)),
            ];
            series.extend(values.map(|(family, value)| family.series([text(cluster), text(number)], value)));
        }
    }
}
