//! The question whether the next broker may be stopped, asked of a running service.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    answer::Answer,
    condition::{Condition, Finding},
    examine::examine,
    facts::Inputs,
    history::History,
    task::Memory,
};
use crate::{cluster::metadata, task::Latest};

/// An answer waits for new metadata for so long. The metadata task begins at most one cycle a second for a question.
const PATIENCE: Duration = Duration::from_secs(3);

/// The gate of one cluster.
#[derive(Clone)]
pub struct Gate {
    inputs: Inputs,
    history: watch::Receiver<History>,
    /// Asks the metadata task for a cycle now.
    nudge_metadata: Arc<Notify>,
}

impl Gate {
    /// A gate, and its memory, which must run.
    pub fn new(inputs: Inputs, nudge_metadata: Arc<Notify>) -> (Self, Memory) {
        let memory = Memory::new(inputs.clone());
        (Self { inputs, history: memory.history(), nudge_metadata }, memory)
    }

    /// Whether the gate is open: every condition holds by metadata that are asked for now, and has held for `wanted`.
    ///
    /// Without new metadata the answer could be older than the last restart of a broker.
    pub async fn ask(&self, wanted: Duration) -> Answer {
        let is_new = self.has_new_metadata().await;
        let facts = self.inputs.read();
        let history = self.history.borrow().clone();
        let mut findings = examine(&facts, history.judged());
        if !is_new && facts.metadata.failure.is_none() {
            let patience = PATIENCE.as_secs();
            let sentence = format!("The cluster has not sent new metadata within {patience} s.");
            findings.push(Finding::closes(Condition::Metadata, sentence));
        }
        history.answer(findings, wanted, facts.now)
    }

    /// Asks for new metadata and waits until a cycle of the metadata task has ended. Returns whether one has.
    async fn has_new_metadata(&self) -> bool {
        let mut metadata = self.inputs.metadata.clone();
        let cycles = |latest: &Latest<metadata::Snapshot>| latest.cycles.iter().sum::<u64>();
        let before = cycles(&metadata.borrow());
        self.nudge_metadata.notify_one();
        let ended = timeout(PATIENCE, metadata.wait_for(|latest| cycles(latest) > before)).await;
        ended.is_ok_and(|ended| ended.is_ok())
    }
}
