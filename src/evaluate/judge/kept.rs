//! The part of the judgements that survives a restart: it is loaded at the start, and changes are handed out to be saved.

use super::{
    anomaly::Traffic,
    flow::Flow,
    groups::{Forgotten, Judge, TopicProgress},
    row::{BaselineRow, Kept, LifeRow},
};

/// At most this many baselines are saved at once: each has some kilobytes, and all of them change when an hour ends.
const MOST_BASELINES: usize = 500;

impl Judge {
    /// Loads the judgements that an earlier run saved.
    pub(crate) fn remember(&mut self, lives: Vec<LifeRow>, baselines: Vec<BaselineRow>) {
        for LifeRow { group, topic, kept } in lives {
            let Some(Kept { life, verdicts, judged }) = kept else { continue };
            let memory = self.groups.entry(group).or_default();
            if judged.is_some() {
                let worst = verdicts.values().max().copied().unwrap_or_default();
                memory.verdict = memory.verdict.max(Some(worst));
                memory.since = memory.since.max(judged);
            }
            memory.topics.insert(topic, TopicProgress { life, verdicts, ..TopicProgress::default() });
        }
        for BaselineRow { topic, baseline } in baselines {
            let Some(baseline) = baseline else { continue };
            let traffic = Traffic::of(baseline);
            self.traffic.insert(topic, Flow { traffic, ..Flow::default() });
        }
    }

    /// The rows whose status or verdict changed since the last call, and the rows that [`Judge::save_offsets`] or
    /// [`Judge::save_all`] marked.
    pub(crate) fn unsaved(&mut self) -> (Vec<LifeRow>, Vec<BaselineRow>) {
        let Forgotten { mut lives, mut baselines } = std::mem::take(&mut self.forgotten);
        for (group, memory) in &mut self.groups {
            for (topic, progress) in &mut memory.topics {
                if progress.unsaved {
                    progress.unsaved = false;
                    progress.moved = false;
                    let kept = Kept {
                        life: progress.life.clone(),
                        verdicts: progress.bad(),
                        judged: memory.verdict.and(memory.since),
                    };
                    lives.push(LifeRow { group: group.clone(), topic: topic.clone(), kept: Some(kept) });
                }
            }
        }
        for (topic, flow) in self.traffic.iter_mut().filter(|(_, flow)| flow.changed).take(MOST_BASELINES) {
            flow.changed = false;
            let baseline = Some(flow.traffic.baseline.clone());
            baselines.push(BaselineRow { topic: topic.clone(), baseline });
        }
        (lives, baselines)
    }

    /// Marks the rows of which only the committed offsets changed, so that they are saved, too. Losing them matters less than
    /// losing a change of status or verdict, so they are saved less often.
    pub(crate) fn save_offsets(&mut self) {
        self.progresses().for_each(|progress| progress.unsaved |= progress.moved);
    }

    /// Marks everything as changed, so that it is saved to a new history file.
    pub(crate) fn save_all(&mut self) {
        self.drop_deletions();
        self.progresses().for_each(|progress| progress.unsaved = true);
        self.traffic.values_mut().for_each(|flow| flow.changed = true);
    }

    /// The progress of every group on every topic.
    fn progresses(&mut self) -> impl Iterator<Item = &mut TopicProgress> {
        self.groups.values_mut().flat_map(|memory| memory.topics.values_mut())
    }

    /// Takes back rows that could not be saved: the next call of [`Judge::unsaved`] returns them again.
    pub(crate) fn not_saved(&mut self, lives: Vec<LifeRow>, baselines: Vec<BaselineRow>) {
        for row in lives {
            let memory = self.groups.get_mut(&row.group);
            let progress = memory.and_then(|memory| memory.topics.get_mut(&row.topic));
            match progress {
                Some(progress) => progress.unsaved = true,
                None if row.kept.is_none() => self.forgotten.lives.push(row),
                None => {}
            }
        }
        for row in baselines {
            match self.traffic.get_mut(&row.topic) {
                Some(flow) => flow.changed = true,
                None if row.baseline.is_none() => self.forgotten.baselines.push(row),
                None => {}
            }
        }
    }

    /// Drops the pending deletions: there is no history file to delete rows from.
    pub(crate) fn drop_deletions(&mut self) {
        self.forgotten = Forgotten::default();
    }
}
