//! What survives a restart: taken in at the start, told whenever something is new.

use super::{
    anomaly::Traffic,
    flow::Flow,
    groups::{Judge, Read},
    row::{BaselineRow, Kept, LifeRow},
};

/// So many baselines are told at once: each is some kilobytes, and all are new when an hour ends.
const BASELINES: usize = 500;

impl Judge {
    /// Goes on where an earlier run ended.
    pub(crate) fn remember(&mut self, lives: Vec<LifeRow>, baselines: Vec<BaselineRow>) {
        for (group, topic, kept) in lives {
            let Some(Kept { life, verdicts, judged }) = kept else { continue };
            let known = self.groups.entry(group).or_default();
            if judged.is_some() {
                let worst = verdicts.values().max().copied().unwrap_or_default();
                (known.verdict, known.since) = (known.verdict.max(Some(worst)), known.since.max(judged));
            }
            known.topics.insert(topic, Read { life, verdicts, ..Read::default() });
        }
        for (topic, baseline) in baselines {
            let Some(baseline) = baseline else { continue };
            let traffic = Traffic::of(baseline);
            self.traffic.insert(topic, Flow { traffic, ..Flow::default() });
        }
    }

    /// What is new since the last call. Where a group stands matters less than what it is: told only with `all`.
    pub(crate) fn unsaved(&mut self, all: bool) -> (Vec<LifeRow>, Vec<BaselineRow>) {
        let (mut lives, mut baselines) = std::mem::take(&mut self.gone);
        for (group, known) in &mut self.groups {
            for (topic, read) in &mut known.topics {
                if read.turned || (all && read.moved) {
                    (read.turned, read.moved) = (false, false);
                    let (life, verdicts) = (read.life.clone(), read.bad());
                    let kept = Kept { life, verdicts, judged: known.verdict.and(known.since) };
                    lives.push((group.clone(), topic.clone(), Some(kept)));
                }
            }
        }
        for (topic, flow) in self.traffic.iter_mut().filter(|(_, flow)| flow.changed).take(BASELINES) {
            flow.changed = false;
            baselines.push((topic.clone(), Some(flow.traffic.baseline.clone())));
        }
        (lives, baselines)
    }

    /// All of it is to be saved, to a file that knows nothing.
    pub(crate) fn save_all(&mut self) {
        self.keep_nothing();
        self.groups
            .values_mut()
            .flat_map(|known| known.topics.values_mut())
            .for_each(|read| read.turned = true);
        self.traffic.values_mut().for_each(|flow| flow.changed = true);
    }

    /// What was told could not be saved: it will be told again.
    pub(crate) fn not_saved(&mut self, lives: Vec<LifeRow>, baselines: Vec<BaselineRow>) {
        for (group, topic, life) in lives {
            let known = self.groups.get_mut(&group).and_then(|known| known.topics.get_mut(&topic));
            match known {
                Some(read) => read.turned = true,
                None if life.is_none() => self.gone.0.push((group, topic, None)),
                None => {}
            }
        }
        for (topic, baseline) in baselines {
            match self.traffic.get_mut(&topic) {
                Some(flow) => flow.changed = true,
                None if baseline.is_none() => self.gone.1.push((topic, None)),
                None => {}
            }
        }
    }

    /// Nobody asks what is to be saved.
    pub(crate) fn keep_nothing(&mut self) {
        self.gone = <_>::default();
    }
}
