//! The translated offsets of one mirror: whether a group that changes to the target goes on where it stopped in the source.
//!
//! The task `coordinators` of the source commits offsets of the heartbeat topic for groups of its own. MirrorMaker 2 translates them
//! like those of any other group, and it is known where the heartbeats are in both clusters.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    checkpoint::Checkpoint, ledger::Ledger, offsets::Translated, outcome::Translation, reader::Event,
    snapshot::Checkpoints as Published, topic::MirroredTopic,
};
use crate::{
    config,
    kafka::{Capability, Fault, Permission, admin::Topic, wire},
    probe::{coordinators::COMMITTED_PARTITION, heartbeat::Moment},
};

/// The largest number of checkpoints that wait for the heartbeats around them. The oldest ones are given up.
const MOST: usize = 10_000;

/// The topic of checkpoints of one mirror, and what is known of it.
pub(super) struct Checkpoints {
    topic: MirroredTopic<Option<Checkpoint>>,
    /// The begin of the names of the groups whose offsets the service commits in the source.
    groups: String,
    /// A checkpoint that skips heartbeats gets this time, in which they may be copied once more.
    grace: Duration,
    /// A checkpoint without heartbeats around it is given up after this time.
    patience: Duration,
    permission: Permission,
    /// The checkpoints that are not judged so far, the oldest first, each with the instant at which it was read.
    waiting: VecDeque<(Instant, Checkpoint)>,
    counts: [u64; Translation::ALL.len()],
    /// The number of records that a group reads again by the last right checkpoint. `None` before the first.
    repeated: Option<u64>,
    /// When the last checkpoint of the groups was read. `None` before the first.
    newest: Option<Instant>,
}

impl Checkpoints {
    /// `None` if the translated offsets are not to be checked.
    pub(super) fn new(mirror: &config::Mirror) -> Option<Self> {
        let config::Checkpoints { topic, groups } = mirror.checkpoints.as_ref()?;
        Some(Self {
            topic: MirroredTopic::new(topic, false, Checkpoint::of),
            groups: groups.clone(),
            grace: mirror.deadline,
            patience: mirror.lost_after,
            permission: Permission::default(),
            waiting: VecDeque::new(),
            counts: [0; Translation::ALL.len()],
            repeated: None,
            newest: None,
        })
    }

    /// The name of the topic.
    pub(super) fn name(&self) -> Arc<str> {
        self.topic.name.clone()
    }

    /// Other brokers may allow what the ones before refused.
    pub(super) fn forget_refusal(&mut self) {
        self.permission.forget();
    }

    /// Takes in what the metadata say of the topic.
    pub(super) fn learn(&mut self, described: Result<Topic, Fault>) {
        if described.as_ref().err() == Some(&Fault::Authorization) {
            self.refuse();
        }
        self.topic.learn(described);
    }

    fn refuse(&mut self) {
        self.permission.learn(Capability::Denied);
        self.topic.stop();
    }

    /// Reads the topic, if there is one, and judges what was read. A failure disturbs no heartbeat: the next cycle tries again.
    pub(super) async fn cycle(
        &mut self,
        wire: &wire::Cluster,
        cluster: &Arc<config::Cluster>,
        mirrored: Option<&str>,
        ledger: &Ledger,
    ) {
        if !self.permission.is_refused() && self.topic.exists() {
            match self.topic.begin(wire, cluster).await {
                Ok(_) => self.take_read(mirrored),
                Err(Fault::Authorization) => self.refuse(),
                Err(fault) => {
                    let (cluster, topic, fault) = (&cluster.name, &*self.topic.name, fault.as_str());
                    tracing::debug!(cluster, topic, fault, "the checkpoints of a mirror cannot be read");
                }
            }
        }
        self.judge(ledger);
    }

    /// Takes the checkpoints of the groups of the source, for the topic that holds its heartbeats.
    fn take_read(&mut self, mirrored: Option<&str>) {
        let mut is_refused = false;
        while let Some(event) = self.topic.take() {
            match event {
                Event::Record { at, record: Some(checkpoint), .. } => {
                    if self.is_own(&checkpoint) && mirrored == Some(&checkpoint.topic) {
                        self.newest = Some(at);
                        self.waiting.push_back((at, checkpoint));
                    }
                }
                Event::Record { record: None, .. } => {}
                Event::Failed { fault, .. } => is_refused |= fault == Fault::Authorization,
            }
        }
        for _ in MOST..self.waiting.len() {
            self.waiting.pop_front();
            self.count(Translation::Unknown);
        }
        if is_refused {
            self.refuse();
        } else {
            self.permission.learn(Capability::Ok);
        }
    }

    /// Whether the service itself committed the offset in the source.
    fn is_own(&self, checkpoint: &Checkpoint) -> bool {
        let number = checkpoint.group.strip_prefix(&self.groups);
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        checkpoint.partition == COMMITTED_PARTITION && number.is_some_and(is_number)
    }

    /// Judges the checkpoints around which the heartbeats are known.
    fn judge(&mut self, ledger: &Ledger) {
        let now = Instant::now();
        for _ in 0..self.waiting.len() {
            let Some((at, checkpoint)) = self.waiting.pop_front() else { return };
            match ledger.offsets().judge(checkpoint.source, checkpoint.target) {
                Some(Translated::Right { repeated }) => {
                    self.count(Translation::Right);
                    self.repeated = Some(repeated);
                }
                Some(Translated::Skips(heartbeats)) if ledger.has_read_until(at + self.grace) => {
                    self.count(Translation::Skips);
                    let Checkpoint { group, source, target, .. } = checkpoint;
                    tracing::debug!(
                        group,
                        source,
                        target,
                        heartbeats,
                        "a translated offset skips heartbeats"
                    );
                }
                Some(Translated::Unknown) => self.count(Translation::Unknown),
                Some(Translated::Skips(_)) | None if now.saturating_duration_since(at) < self.patience => {
                    self.waiting.push_back((at, checkpoint));
                }
                Some(Translated::Skips(_)) | None => self.count(Translation::Unknown),
            }
        }
    }

    fn count(&mut self, translation: Translation) {
        self.counts[translation as usize] += 1;
    }

    /// What is published. `None` while there is no topic of checkpoints that may be read.
    pub(super) fn published(&self, now: Moment) -> Option<Published> {
        let is_read = self.topic.exists() && !self.permission.is_refused();
        is_read.then(|| Published {
            topic: self.topic.name.clone(),
            counts: self.counts,
            repeated: self.repeated,
            newest: self.newest.map(|newest| now.wall_at(newest)),
        })
    }

    /// Whether the principal may read the topic. Unknown while there is none.
    pub(super) fn capability(&self) -> Capability {
        self.permission.state()
    }
}
