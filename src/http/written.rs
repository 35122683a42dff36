//! The series of topics and groups, written once for each snapshot and kept for the scrapes to come.
//!
//! A snapshot of the collection may make a hundred thousand series. It changes twice a minute, and any number of
//! scrapers ask for it. So it is written as soon as it is published, in the forms that scrapers asked for lately. Only
//! the first scrape in a form waits for the writing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant, SystemTime},
};

use super::form::Form;
use crate::{
    board::{Board, Readings},
    config::Compat,
    export::prometheus::{self, Block, Format, Storage},
    metrics::{ClusterLabel, render},
    monitor,
    sync::lock,
};

/// A form that no scraper has asked for in this time is no longer written ahead.
const WANTED_FOR: Duration = Duration::from_secs(300);

/// A form is written ahead when scrapers asked for it between so many snapshots: one scrape by hand does not count.
const REGULAR: u32 = 2;

/// While a snapshot is younger than this, a thread may be writing it; until that is done, the snapshot before is served.
const WRITING: Duration = Duration::from_secs(2);

/// How series are written, apart from their form.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    /// Labels that every series carries.
    pub(super) labels: &'a BTreeMap<String, String>,
    /// Which metrics are written under the names of other exporters.
    pub(super) compat: Compat,
    /// When the counters began to count; absent if it is not to be written.
    pub(super) created: Option<SystemTime>,
    /// Whether series carry the name of their cluster.
    pub(super) cluster: ClusterLabel,
}

impl Writer<'_> {
    /// The series of topics and groups.
    fn topics_and_groups(&self, readings: &Readings, format: Format, storage: Storage) -> Vec<Block> {
        let created = self.created.map(|_| readings.started);
        let mut blocks = prometheus::Blocks::new(self.labels, format).created(created).storage(storage);
        render::topics_and_groups(readings, self.cluster, self.compat, &mut blocks);
        blocks.done()
    }
}

/// The series that were written, and the forms that scrapers want.
#[derive(Default)]
pub(super) struct Written {
    /// The series that were written last, by the name of the cluster and the format.
    blocks: Mutex<BTreeMap<(Arc<str>, Format), WrittenSnapshot>>,
    /// How often scrapers ask for each form.
    wanted: Mutex<BTreeMap<Form, Demand>>,
}

/// How often scrapers ask for a form.
#[derive(Debug, Clone, Copy)]
struct Demand {
    /// When a scraper last asked for the form.
    last: Instant,
    /// Whether a scraper has asked for the form since the last snapshot.
    lately: bool,
    /// The number of snapshots before which a scraper asked for the form.
    snapshots: u32,
}

impl Demand {
    /// Whether so many scrapes asked for the form that it is worth writing ahead.
    fn is_regular(self) -> bool {
        self.snapshots >= REGULAR
    }
}

/// The series of one snapshot, and when they were written.
#[derive(Clone)]
struct WrittenSnapshot {
    /// The snapshot. The reference is weak: the snapshot is dropped as soon as there is a newer one.
    snapshot: Weak<monitor::Snapshot>,
    at: Instant,
    blocks: Arc<[Block]>,
    /// The form in which the blocks are stored.
    storage: Storage,
    /// Whether the series carry the name of their cluster. A reload that adds or removes a cluster changes it.
    cluster: ClusterLabel,
}

impl WrittenSnapshot {
    /// Whether an answer of this writer in this form can be made of the blocks.
    fn suits(&self, writer: Writer<'_>, form: Form) -> bool {
        self.cluster == writer.cluster && (self.storage == Storage::Plain || form.gzip)
    }

    fn is_of(&self, snapshot: &Arc<monitor::Snapshot>) -> bool {
        self.snapshot.as_ptr() == Arc::as_ptr(snapshot)
    }
}

impl Written {
    /// Notes that a scraper asks for this form.
    pub(super) fn note(&self, form: Form) {
        let last = Instant::now();
        let mut wanted = lock(&self.wanted);
        let snapshots = wanted.get(&form).map_or(0, |before| before.snapshots);
        wanted.insert(form, Demand { last, lately: true, snapshots });
    }

    /// The series of a board for a scrape: as they were written, or written now. There are none while the snapshot is
    /// missing or stale.
    pub(super) fn get(&self, writer: Writer<'_>, readings: &Readings, form: Form) -> Arc<[Block]> {
        let Some((snapshot, taken)) = readings.collect.snapshot.as_ref() else { return Arc::new([]) };
        if readings.collect.fresh().is_none() {
            return Arc::new([]);
        }
        let longest = 3 * readings.collect.interval;
        if let Some(written) = lock(&self.blocks).get(&(readings.name.clone(), form.format))
            && written.suits(writer, form)
            && (written.is_of(snapshot) || (taken.elapsed() < WRITING && written.at.elapsed() <= longest))
        {
            return written.blocks.clone();
        }
        self.write(writer, readings, form)
    }

    /// Writes the series of a board, unless they are written already.
    fn write(&self, writer: Writer<'_>, readings: &Readings, form: Form) -> Arc<[Block]> {
        let Some(snapshot) = readings.collect.fresh() else { return Arc::new([]) };
        if let Some(written) = lock(&self.blocks).get(&(readings.name.clone(), form.format))
            && written.is_of(snapshot)
            && written.suits(writer, form)
        {
            return written.blocks.clone();
        }
        let without_gzip = Form { gzip: false, ..form };
        let plain =
            !form.gzip || lock(&self.wanted).get(&without_gzip).is_some_and(|demand| demand.is_regular());
        let storage = if plain { Storage::Plain } else { Storage::Packed };
        let blocks = writer.topics_and_groups(readings, form.format, storage);
        if form.gzip {
            prometheus::pack(&blocks);
        }
        let blocks: Arc<[Block]> = blocks.into();
        let written = WrittenSnapshot {
            snapshot: Arc::downgrade(snapshot),
            at: Instant::now(),
            blocks: blocks.clone(),
            storage,
            cluster: writer.cluster,
        };
        lock(&self.blocks).insert((readings.name.clone(), form.format), written);
        blocks
    }

    /// Forgets the series of clusters that have no board any more.
    pub(super) fn keep_only(&self, boards: &[Board]) {
        lock(&self.blocks).retain(|(cluster, _), _| boards.iter().any(|board| board.name == *cluster));
    }

    /// Writes the newest series of a board in every form that is wanted, and forgets the formats that are not.
    pub(super) fn write_ahead(&self, writer: Writer<'_>, readings: &Readings) {
        let wanted: Vec<Form> = {
            let mut wanted = lock(&self.wanted);
            wanted.retain(|_, demand| demand.last.elapsed() < WANTED_FOR);
            for demand in wanted.values_mut() {
                demand.snapshots += u32::from(std::mem::take(&mut demand.lately));
            }
            // The forms with gzip come first: what is written for them serves the form without gzip, too.
            let regular = wanted.iter().rev().filter(|(_, demand)| demand.is_regular());
            regular.map(|(form, _)| *form).collect()
        };
        lock(&self.blocks).retain(|(_, format), _| wanted.iter().any(|form| form.format == *format));
        for form in wanted {
            self.write(writer, readings, form);
        }
    }
}
