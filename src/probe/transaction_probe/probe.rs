//! The task.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use super::{
    exposed::{Exposed, ExposedRecords, Written},
    judge::judge,
    ledger::{Ending, Ledger, Open, Used},
    notes::Notes,
    outcome::{Outcome, Purpose, Step},
    place::{self, Place},
    session::{CYCLE, Refused, Session, left},
    snapshot::Snapshot,
};
use crate::{
    cluster::{AskedBrokers, metadata},
    config,
    kafka::{
        Capability, Error, Fault, Permission,
        admin::{self, CommittedRecord},
        native::StepFailure,
        wire,
    },
    probe::heartbeat,
    task::{Cycle, Latest, within},
};

/// After another producer took the id, so many intervals pass until this one takes it back. Two instances with the same id would
/// otherwise fail each transaction of each other.
const FENCED_INTERVALS: u32 = 6;

/// The time between two reads of a record from a leader that did not answer.
const READ_AGAIN: Duration = Duration::from_millis(200);

/// The longest time for which a leader waits for the end of a transaction before it answers.
const LEADER_WAITS: Duration = Duration::from_millis(500);

/// What the task needs from other modules.
pub struct Inputs {
    /// The settings of the cluster.
    pub cluster: Arc<config::Cluster>,
    /// The wire client that knows the brokers.
    pub known: Arc<wire::Cluster>,
    /// The brokers.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// Whether this process was stalled.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
}

/// The task that runs transactions.
pub struct Probe {
    inputs: Inputs,
    /// Connections of its own, so that a broker that hangs delays no other task.
    wire: wire::Cluster,
    topic: Arc<str>,
    /// The text before the number of a transaction in the value of its record.
    name: String,
    session: Session,
    ledger: Ledger,
    exposed: ExposedRecords,
    /// The last aborted record, as long as no consumer of committed records got it.
    watched: Option<Written>,
    permission: Permission,
    brokers: AskedBrokers,
    /// When another producer took the id. `None` if the id was taken back since.
    fenced: Option<Instant>,
    /// Whether a producer of this service was given up since the last good transaction. A coordinator that was frozen may
    /// answer its request for the id late, and fences the producer after it.
    given_up: bool,
    notes: Notes,
}

/// Why a transaction did not come to an outcome: the step and its failure.
type Broken = (Step, StepFailure);

impl Probe {
    /// A task that has begun no transaction yet.
    pub fn new(inputs: Inputs) -> Self {
        let settings = inputs.cluster.transaction_probe.clone();
        let wire = inputs.known.with_own_connections(settings.timeout / 4).with_circuit_breakers();
        let begun = humantime::format_rfc3339_seconds(SystemTime::now());
        let instance = &inputs.cluster.heartbeat.instance;
        Self {
            topic: inputs.cluster.transaction_topic().into(),
            name: format!("kafka-heartbeat transaction of {instance} since {begun}"),
            session: Session::new(inputs.cluster.clone(), settings.timeout),
            notes: Notes::new(inputs.cluster.name.clone()),
            inputs,
            wire,
            ledger: Ledger::new(),
            exposed: ExposedRecords::default(),
            watched: None,
            permission: Permission::default(),
            brokers: AskedBrokers::default(),
            fenced: None,
            given_up: false,
        }
    }

    fn timeout(&self) -> Duration {
        self.inputs.cluster.transaction_probe.timeout
    }

    /// The partition of the next record. A topic that is missing is created, unless `[topic] create` forbids it. `None` if it was
    /// created just now: its partitions have no leaders yet.
    async fn place(&mut self, metadata: &metadata::Snapshot) -> Result<Option<Place>, Error> {
        let number = self.ledger.counts().begun + 1;
        let turn = Purpose::turn(number, self.inputs.cluster.transaction_probe.abort_every);
        match place::next(&self.wire, &self.topic, turn).await {
            Err(error) if error.fault() == Fault::UnknownTopic && self.inputs.cluster.topic.create => {
                let brokers = metadata.brokers.keys().copied().collect();
                place::create(&self.wire, &self.topic, &self.inputs.cluster, &brokers).await?;
                Ok(None)
            }
            place => place.map(Some),
        }
    }

    /// Runs a transaction to its outcome, in a cycle that began at this instant.
    async fn transact(&mut self, mut place: Place, begun: Instant) -> Result<(), Error> {
        let abort_every = self.inputs.cluster.transaction_probe.abort_every;
        let stalled = self.inputs.heartbeat.borrow().stalled;
        let open = self.ledger.begin(abort_every, begun, SystemTime::now());
        let attempt = match self.take_id(begun).await {
            Ok(()) => self.attempt(open, &mut place, begun).await,
            Err(Refused::Step(failure)) => Err((Step::Init, failure)),
            Err(Refused::Settings(error)) => {
                self.ledger.end(Ending::of(Outcome::Skipped), Used::default(), SystemTime::now());
                return Err(error);
            }
        };
        let is_excused = self.was_held_up(stalled);
        let ending = match attempt {
            Ok(ending) => ending,
            Err((step, failure)) => self.broken(step, failure, is_excused, begun).await,
        };
        let ending = if is_excused { ending.excused() } else { ending };
        self.learn(ending);
        let coordinator = self.session.coordinator;
        let used = Used { coordinator, partition: Some(place.partition), leader: place.leader };
        self.ledger.end(ending, used, SystemTime::now());
        Ok(())
    }

    /// Takes the transactional id, unless the producer has it already.
    async fn take_id(&mut self, begun: Instant) -> Result<(), Refused> {
        if self.session.producer(&self.wire).is_none() {
            let took = self.session.open(&self.wire, begun + self.timeout() * 3 / 4).await?;
            self.ledger.done(Step::Init, took);
            self.fenced = None;
        }
        Ok(())
    }

    /// The steps of a transaction after the producer has taken the id.
    async fn attempt(&mut self, open: Open, place: &mut Place, begun: Instant) -> Result<Ending, Broken> {
        let deadline = begun + self.timeout() * 3 / 4;
        let lost = || StepFailure::Fault { fault: Fault::Other, words: String::new() };
        let written = {
            let Some(producer) = self.session.producer(&self.wire) else { return Err((Step::Begin, lost())) };
            let value = format!("{} number {}", self.name, open.number).into_bytes();
            let ledger = &mut self.ledger;
            ledger.enter(Step::Begin);
            let took = producer.begin(left(deadline)).await.map_err(|failure| (Step::Begin, failure))?;
            ledger.done(Step::Begin, took);
            ledger.enter(Step::Produce);
            let produced =
                producer.produce(&self.topic, place.partition, value.clone(), left(deadline)).await;
            let (offset, took) = produced.map_err(|failure| (Step::Produce, failure))?;
            ledger.done(Step::Produce, took);
            let end = open.purpose.step();
            ledger.enter(end);
            let ended = match open.purpose {
                Purpose::Commit => producer.commit(left(deadline)).await,
                Purpose::Abort => producer.abort(left(deadline)).await,
            };
            ledger.done(end, ended.map_err(|failure| (end, failure))?);
            offset.map(|offset| Written { partition: place.partition, offset, value })
        };
        // The broker acknowledged the record without its offset.
        let Some(written) = written else { return Ok(Ending::of(Outcome::Unchecked)) };
        Ok(self.look(open.purpose, written, place, begun).await)
    }

    /// Reads a record as a consumer of committed records does, until its visibility is known or the cycle ends.
    async fn look(
        &mut self,
        purpose: Purpose,
        written: Written,
        place: &mut Place,
        begun: Instant,
    ) -> Ending {
        self.ledger.enter(Step::Visible);
        let (ended, deadline) = (Instant::now(), begun + self.timeout() * 9 / 10);
        let mut last = Err(Fault::Timeout);
        while !left(deadline).is_zero() {
            last = self.read(place, written.offset, deadline).await;
            match &last {
                Ok(read) => {
                    if let Some(outcome) = judge(purpose, read, &written.value) {
                        self.ledger.done(Step::Visible, ended.elapsed());
                        self.remember(outcome, written);
                        return Ending::of(outcome);
                    }
                }
                Err(Fault::Authorization) => break,
                Err(_) => {
                    tokio::time::sleep(READ_AGAIN.min(left(deadline))).await;
                    let found = place::find(&self.wire, &self.topic, written.partition);
                    *place = within(deadline, CYCLE, found).await.unwrap_or_else(|_| place.clone());
                }
            }
        }
        match (last, purpose) {
            (Ok(_), Purpose::Commit) => Ending::of(Outcome::NotVisible),
            (Ok(_), Purpose::Abort) => Ending::of(Outcome::NotEnded),
            (Err(Fault::Authorization), _) => Ending::failed(Step::Visible, Fault::Authorization),
            (Err(fault), _) => Ending { outcome: Outcome::Unchecked, failure: Some((Step::Visible, fault)) },
        }
    }

    /// What a consumer of committed records gets at an offset.
    async fn read(&self, place: &Place, offset: i64, deadline: Instant) -> Result<CommittedRecord, Fault> {
        let leader = place.leader.ok_or(Fault::NoLeader)?;
        // The answer must come before the limit of a request, which is a quarter of the time of a cycle.
        let wait = LEADER_WAITS.min(self.timeout() / 8).min(left(deadline) / 2);
        let read = admin::read_committed(&self.wire, leader, &self.topic, place.at(offset), wait);
        within(deadline, CYCLE, read).await.map_err(|error| error.fault())
    }

    /// Keeps an aborted record for later reads, or counts it if it is visible.
    fn remember(&mut self, outcome: Outcome, written: Written) {
        match outcome {
            Outcome::Aborted => self.watched = Some(written),
            Outcome::AbortedVisible => self.expose(&written),
            _ => {}
        }
    }

    /// Counts an aborted record that a consumer of committed records got. It is not read again.
    fn expose(&mut self, written: &Written) {
        self.watched.take_if(|watched| watched == written);
        let Written { partition, offset, .. } = *written;
        let exposed = Exposed { partition, offset, at: SystemTime::now() };
        self.notes.exposed(&self.topic, &exposed);
        self.exposed.add(exposed);
    }

    /// Reads the last aborted record once more: it must stay invisible, also after its partition got another leader.
    async fn look_again(&mut self, begun: Instant) {
        let Some(written) = self.watched.clone() else { return };
        let deadline = begun + self.timeout() * 9 / 10;
        let found = place::find(&self.wire, &self.topic, written.partition);
        let Ok(place) = within(deadline, CYCLE, found).await else { return };
        let Ok(read) = self.read(&place, written.offset, deadline).await else { return };
        // After an unclean election another record may be at the offset.
        if judge(Purpose::Abort, &read, &written.value) == Some(Outcome::AbortedVisible) {
            self.expose(&written);
        }
    }

    /// The ending of a transaction whose step failed. The producer is given up: the next one ends what it left open.
    async fn broken(&mut self, step: Step, failure: StepFailure, is_excused: bool, begun: Instant) -> Ending {
        self.session.close();
        self.session.find_coordinator(&self.wire, begun + self.timeout() * 9 / 10).await;
        match failure {
            // The coordinator fences a producer that does not run for longer than its transaction may be open.
            StepFailure::Fenced if is_excused || std::mem::take(&mut self.given_up) => {
                Ending::of(Outcome::Skipped)
            }
            StepFailure::Fenced => {
                self.fenced = Some(Instant::now());
                self.notes.fenced(self.session.id());
                Ending::of(Outcome::Fenced)
            }
            StepFailure::NoThread => Ending::of(Outcome::Skipped),
            StepFailure::Fault { fault, words } => {
                tracing::debug!(
                    step = step.as_str(),
                    fault = fault.as_str(),
                    "a transaction failed: {words}"
                );
                self.given_up = true;
                if fault.is_no_evidence(true) {
                    Ending::of(Outcome::Skipped)
                } else {
                    Ending::failed(step, fault)
                }
            }
        }
    }

    /// Whether this process may be the reason that a transaction failed: it did not run for a quarter of the time of a cycle, or had
    /// no file descriptor left. `before` is the length of all stalls when the transaction was begun.
    fn was_held_up(&self, before: Duration) -> bool {
        let heartbeat = self.inputs.heartbeat.borrow();
        let stalled = heartbeat.stalled.saturating_sub(before) >= self.timeout() / 4;
        stalled || heartbeat.short_of_descriptors
    }

    /// What the ending of a transaction says about the permission to run transactions.
    fn learn(&mut self, ending: Ending) {
        match ending.failure.map(|(_, fault)| Capability::of(fault)) {
            Some(state) if state.is_refusal() => self.refuse(state),
            Some(_) => {}
            None if ending.outcome.is_good() => {
                self.permission.learn(Capability::Ok);
                self.given_up = false;
            }
            None => {}
        }
    }

    /// No transaction is begun until the permission is asked for again.
    fn refuse(&mut self, state: Capability) {
        self.permission.learn(state);
        self.ledger.forget_failures();
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            capability: self.permission.state(),
            id: self.session.id().clone(),
            topic: self.topic.clone(),
            counts: self.ledger.counts().clone(),
            exposed: self.exposed.clone(),
            ended_open: self.session.ended_open,
            is_fenced: self.fenced.is_some(),
            last: self.ledger.last().cloned(),
            failing: self.ledger.failing().filter(|_| self.fenced.is_none()).cloned(),
        }
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let limit = self.inputs.cluster.metadata.timeout;
        let metadata = metadata::fresh(&mut self.inputs.metadata, limit).await?;
        let begun = Instant::now();
        if self.ledger.open().is_some() {
            // The last cycle was dropped in the middle of a transaction.
            self.session.close();
        }
        self.wire.begin_cycle(&self.inputs.known);
        if self.brokers.change(&metadata.brokers) {
            self.permission.forget();
        }
        let pause = FENCED_INTERVALS * self.inputs.cluster.transaction_probe.interval;
        if self.permission.is_refused() || self.fenced.is_some_and(|at| at.elapsed() < pause) {
            return Ok(self.snapshot());
        }
        let place = match self.place(&metadata).await {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(self.snapshot()),
            Err(error) if Capability::of(error.fault()).is_refusal() => {
                self.refuse(Capability::of(error.fault()));
                return Ok(self.snapshot());
            }
            Err(error) => return Err(error),
        };
        self.transact(place, begun).await?;
        self.look_again(begun).await;
        self.notes.note(self.ledger.failing());
        Ok(self.snapshot())
    }

    async fn end(&mut self) {
        let limit = self.timeout() / 4;
        // A transaction that stays open would hold back consumers of the topic until its timeout.
        if self.ledger.open().is_some()
            && let Some(producer) = self.session.producer(&self.wire)
            && let Err(failure) = producer.abort(limit).await
        {
            tracing::debug!("the last transaction was not aborted: {failure:?}");
        }
    }
}
