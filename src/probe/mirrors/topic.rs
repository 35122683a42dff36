//! A topic of the target that a mirror writes: the heartbeats of the source, or the checkpoints of MirrorMaker 2.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    log_end::{log_ends, only_control_batches},
    positions::Positions,
    reader::{Decode, Event, Reader},
};
use crate::{
    config,
    kafka::{
        Fault, TopicId,
        admin::{OffsetSpec, Topic},
        wire,
    },
};

/// A topic that so many metadata answers in a row lack was deleted.
const GONE: u32 = 2;

/// A topic that is looked for, and what is known of it.
pub(super) struct MirroredTopic<T> {
    pub(super) name: Arc<str>,
    /// Whether the topic exists for another reason too: it is the heartbeat topic of the target. It counts as the mirrored topic once
    /// a heartbeat of the source was read in it.
    pub(super) needs_proof: bool,
    /// Whether a heartbeat of the source was read in it.
    pub(super) seen: bool,
    /// The topic by the last metadata, or why it is not known. `None` before the first.
    pub(super) described: Option<Result<Topic, Fault>>,
    id: Option<TopicId>,
    /// The number of metadata answers in a row that lacked the topic.
    lacking: u32,
    /// Whether the metadata once lacked the topic: then its first records are read as well.
    was_missing: bool,
    positions: Positions,
    decode: Decode<T>,
    reader: Option<Reader<T>>,
    /// The log ends of the last cycle, and when they were asked for.
    asked: Option<(Instant, BTreeMap<i32, i64>)>,
    /// The partitions that the last cycle found behind their log ends, with their positions.
    behind: BTreeMap<i32, i64>,
}

impl<T: Send + 'static> MirroredTopic<T> {
    pub(super) fn new(name: &str, needs_proof: bool, decode: Decode<T>) -> Self {
        Self {
            name: name.into(),
            needs_proof,
            seen: false,
            described: None,
            id: None,
            lacking: 0,
            was_missing: false,
            positions: Positions::default(),
            decode,
            reader: None,
            asked: None,
            behind: BTreeMap::new(),
        }
    }

    /// Whether the topic holds heartbeats of the source, or exists for no other reason.
    pub(super) fn is_found(&self) -> bool {
        self.exists() && (self.seen || !self.needs_proof)
    }

    pub(super) fn exists(&self) -> bool {
        matches!(self.described, Some(Ok(_)))
    }

    /// Takes in what the metadata say of the topic.
    pub(super) fn learn(&mut self, described: Result<Topic, Fault>) {
        match &described {
            Ok(topic) => {
                if self.id.is_some() && topic.id.is_some() && self.id != topic.id {
                    self.forget();
                }
                self.id = topic.id;
                self.lacking = 0;
            }
            // A broker that has just started may not know a topic. A topic that was never seen is missing at once.
            Err(Fault::UnknownTopic) => {
                self.lacking += 1;
                if self.id.is_none() || self.lacking >= GONE {
                    self.forget();
                }
            }
            Err(_) => {}
        }
        self.described = Some(described);
    }

    /// The topic was deleted. If it is there again, it is read from its first record on.
    fn forget(&mut self) {
        self.stop();
        self.seen = false;
        self.was_missing = true;
        self.id = None;
    }

    /// Ends reading.
    pub(super) fn stop(&mut self) {
        self.reader = None;
        self.positions = Positions::default();
        self.asked = None;
        self.behind.clear();
    }

    /// Begins to read the partitions that are not read so far. Returns the instant from which heartbeats can be found, if reading
    /// begins at the log end.
    ///
    /// # Errors
    /// Why the offsets are not known, or no thread can be started.
    pub(super) async fn begin(
        &mut self,
        wire: &wire::Cluster,
        cluster: &Arc<config::Cluster>,
    ) -> Result<Option<Instant>, Fault> {
        let Some(Ok(topic)) = &self.described else { return Ok(None) };
        if self.reader.as_ref().is_some_and(Reader::has_ended) {
            // What was read is known, so reading goes on there.
            self.reader = None;
        }
        let missing = self.positions.missing(topic.partitions.keys());
        let from_end = self.positions.is_empty() && !self.was_missing;
        let spec = if from_end { OffsetSpec::Latest } else { OffsetSpec::Earliest };
        let mut wanted = if missing.is_empty() {
            BTreeMap::new()
        } else {
            log_ends(wire, &self.name, topic, &missing, spec).await?
        };
        if self.reader.is_none() {
            let started = Reader::start(self.name.clone(), cluster.clone(), wire.access(), self.decode);
            self.reader = Some(started.map_err(|error| error.fault())?);
            wanted.extend(self.positions.all());
        }
        if !wanted.is_empty() {
            wanted.iter().for_each(|(partition, next)| self.positions.set(*partition, *next));
            _ = self.reader.as_ref().is_some_and(|reader| reader.assign(wanted));
        }
        Ok((from_end && !missing.is_empty()).then(Instant::now))
    }

    /// The next event of the reader. Keeps the position.
    pub(super) fn take(&mut self) -> Option<Event<T>> {
        let event = self.reader.as_mut()?.take()?;
        if let Event::Record { place: (partition, offset), .. } = event {
            self.positions.set(partition, offset + 1);
        }
        Some(event)
    }

    /// Asks for the log ends.
    ///
    /// # Errors
    /// Why they are not known.
    pub(super) async fn ask(&mut self, wire: &wire::Cluster) -> Result<(), Fault> {
        let Some(Ok(topic)) = &self.described else { return Ok(()) };
        let partitions: Vec<i32> = topic.partitions.keys().copied().collect();
        let at = Instant::now();
        let ends = log_ends(wire, &self.name, topic, &partitions, OffsetSpec::Latest).await?;
        self.asked = Some((at, ends));
        Ok(())
    }

    /// When the log ends were asked for to which the topic has been read. `None` if it has not been read so far.
    pub(super) fn caught_up(&self) -> Option<Instant> {
        let (at, ends) = self.asked.as_ref()?;
        self.positions.behind(ends).is_empty().then_some(*at)
    }

    /// Goes beyond control batches at the log end, which are no records: each transaction of a mirror ends with one.
    pub(super) async fn skip_control_batches(&mut self, wire: &wire::Cluster) {
        let (Some(Ok(topic)), Some((_, ends))) = (&self.described, &self.asked) else { return };
        let behind = self.positions.behind(ends);
        if behind.is_empty() {
            return;
        }
        for number in only_control_batches(wire, &self.name, topic, &behind, ends).await {
            if let Some(end) = ends.get(&number) {
                self.positions.set(number, *end);
            }
        }
    }

    /// Whether a partition has not been read any further since the last cycle, although records wait.
    pub(super) fn is_stuck(&mut self) -> bool {
        let Some((_, ends)) = &self.asked else { return false };
        let behind = self.positions.behind(ends);
        let before = std::mem::replace(&mut self.behind, behind);
        self.behind.iter().any(|(number, at)| before.get(number) == Some(at))
    }
}
