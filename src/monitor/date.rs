//! The third step of a cycle: how old the newest record of each topic is, and the next record that each group will read.

use std::time::{Duration, Instant};

use super::{ask::Asked, connections::interval, context::Context, record::Recorded};
use crate::{
    clock::now_ms,
    cluster::{OffsetSet, latest_ms},
    collect::topics::STEPS_BACK,
    timelag::{
        best::{near_log_end, undated},
        search::is_close,
    },
};

/// What the first three steps found. The record batches and the searches in the memory are of this cycle.
pub(super) struct Dated {
    asked: Asked,
    /// The time by our own clock to which ages count.
    now: Duration,
    /// The same time in milliseconds since 1970.
    now_ms: i64,
}

impl Dated {
    /// Reads record batches and searches by timestamp where our own samples of the log end do not say how old a record is.
    pub(super) async fn date(context: &mut Context<'_>, recorded: Recorded) -> Self {
        let committed = recorded.asked().commits().places(&context.cluster.lag);
        // Half of the interval is for dating. The next cycle goes on with what has no date by then.
        let until = recorded.asked().begun() + interval(context.cluster) / 2;
        read_newest(context, &recorded, &committed, until).await;
        let dated = Self { now: context.clock.now(), now_ms: now_ms(), asked: recorded.into_asked() };
        dated.read_unread(context, &committed, until).await;
        context.memory.batches.end_cycle();
        dated
    }

    /// Dates the next record of each group: by the header of its record batch, and where that is not known or not exact enough,
    /// by a search.
    async fn read_unread(&self, context: &mut Context<'_>, committed: &OffsetSet, until: Instant) {
        let Context { cluster, connections, memory, .. } = context;
        let (wire, metadata) = (&connections.by_role, self.asked.metadata());
        let mut wanted = undated(committed, &memory.topics, &memory.batches, &cluster.lag, self.now);
        memory.batches.ask(wire, metadata, &wanted, &memory.topics, &mut memory.faults).await;
        wanted.retain(|topic, places| {
            let batches = memory.batches.of(topic);
            places.retain(|(partition, offset)| {
                !batches.age(*partition, *offset, self.now_ms).is_some_and(is_close)
            });
            !places.is_empty()
        });
        memory.searches.want(wanted, &memory.topics, self.now_ms);
        memory.searches.run(wire, metadata, until, &mut memory.faults).await;
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.asked
    }

    pub(super) fn into_asked(self) -> Asked {
        self.asked
    }
}

/// Reads the record batches at the log ends: after a committed offset that is close to the log end there may be control batches
/// alone, and where the broker names no credible newest timestamp, the last record batches have one.
async fn read_newest(context: &mut Context<'_>, recorded: &Recorded, committed: &OffsetSet, until: Instant) {
    let Context { cluster, connections, memory, .. } = context;
    let (wire, metadata) = (&connections.by_role, recorded.asked().metadata());
    memory.batches.begin_cycle(until, |topic| memory.topology.is_compacted(topic));
    for topic in memory.topics.take_recreated() {
        memory.batches.forget(&topic);
        memory.searches.forget(&topic);
        memory.judge.forget(&topic);
    }
    let near_end = near_log_end(committed, &memory.topics);
    memory.batches.ask(wire, metadata, &near_end, &memory.topics, &mut memory.faults).await;
    let latest_ms = latest_ms();
    for back in STEPS_BACK {
        let undated = memory.topics.undated(&cluster.freshness, latest_ms, back);
        if undated.is_empty() {
            return;
        }
        memory.batches.ask(wire, metadata, &undated, &memory.topics, &mut memory.faults).await;
        memory.topics.date_by(memory.batches.dates(&undated, latest_ms), back);
    }
}
