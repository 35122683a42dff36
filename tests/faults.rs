//! The fault matrix: faults are injected into a real Apache Kafka and into the way to it, and the diagnosis must name the
//! component that has the fault, soon and no other.
//!
//! `cargo test --test faults -- all` prints a line for each case and a table at the end; it takes about twelve minutes. With other
//! words it runs the cases whose names contain one of them, and without words a few cases of each kind. The cases behind proxies
//! run side by side, because each has a service, a topic and proxies of its own. Then the cases run in which brokers have the
//! fault, one after the other.
//!
//! `/api/v1/diagnosis` is asked for every 100 ms. No case knows what the service knows.

#![expect(clippy::print_stdout, reason = "the lines and the table are the report of the matrix")]

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use case::{Case, Way};
use report::Row;
use world::World;

#[path = "faults/access.rs"]
mod access;
#[path = "faults/brokers.rs"]
mod brokers;
#[path = "faults/case.rs"]
mod case;
#[path = "faults/controllers.rs"]
mod controllers;
#[path = "faults/coordinators.rs"]
mod coordinators;
#[path = "faults/names.rs"]
mod names;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/prober.rs"]
mod prober;
#[path = "faults/report.rs"]
mod report;
#[path = "faults/run.rs"]
mod run;
#[path = "faults/scene.rs"]
mod scene;
#[path = "faults/storage.rs"]
mod storage;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;
#[path = "faults/timeline.rs"]
mod timeline;
#[path = "faults/topics.rs"]
mod topics;
#[path = "faults/world.rs"]
mod world;

/// The cases that run without words.
const FEW: [&str; 8] = [
    "one broker: connections are half-open",
    "one broker: its name does not resolve",
    "one broker: the certificate has expired",
    "all brokers: the password is wrong",
    "one rack: packets are dropped",
    "topic: a leader is moved by a reassignment",
    "the service: stopped for 5 s",
    "one broker: killed",
];

/// The cases that wait for a lane, and the rows of those that have run.
struct Matrix {
    waiting: Mutex<VecDeque<Case>>,
    rows: Mutex<Vec<Row>>,
}

impl Matrix {
    /// The next case that goes this way.
    fn take(&self, way: Way) -> Option<Case> {
        let mut waiting = self.waiting.lock().expect("no panic");
        let place = waiting.iter().position(|case| case.way == way)?;
        waiting.remove(place)
    }

    /// Runs every case that goes this way, one after the other.
    fn run_all(&self, way: Way, world: &Arc<World>, lane: Option<usize>) {
        while let Some(case) = self.take(way) {
            let result = catch_unwind(AssertUnwindSafe(|| run::run(&case, world.clone(), lane)));
            let row = result.unwrap_or_else(|panic| {
                lane.inspect(|lane| world.lanes[*lane].restore());
                let words = panic.downcast_ref::<String>().cloned();
                Row::broken(case.name, words.unwrap_or_else(|| "a panic".to_owned()))
            });
            println!("{row}\n{}", row.details);
            self.rows.lock().expect("no panic").push(row);
        }
    }
}

/// Whether this machine can run a case. Otherwise a line says why not.
fn can_run(case: &Case) -> bool {
    let able = (case.needs)();
    able.as_ref().err().inspect(|why| println!("SKIPPED {}: {why}", case.name));
    able.is_ok()
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let cases = [
        network::cases(),
        topics::cases(),
        access::cases(),
        prober::cases(),
        brokers::cases(),
        coordinators::cases(),
        storage::cases(),
        controllers::cases(),
    ];
    let is_wanted = |case: &Case| match words.as_slice() {
        [] => FEW.contains(&case.name),
        words => words.iter().any(|word| *word == "all" || case.name.contains(*word)),
    };
    let cases = cases.into_iter().flatten().filter(is_wanted);
    let cases: VecDeque<_> = cases.collect();
    assert!(!words.is_empty() || cases.len() == FEW.len(), "each of the few is a case");
    if arguments.iter().any(|argument| argument == "--list") {
        cases.iter().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    let cases = cases.into_iter().filter(can_run).collect();
    let begun = Instant::now();
    let matrix = Matrix { waiting: Mutex::new(cases), rows: Mutex::default() };
    let world =
        if matrix.waiting.lock().expect("no panic").is_empty() { None } else { World::start().map(Arc::new) };
    if let Some(world) = &world {
        thread::scope(|scope| {
            for (number, lane) in world.lanes.iter().enumerate() {
                let matrix = &matrix;
                scope.spawn(move || matrix.run_all(lane.way, world, Some(number)));
            }
        });
        matrix.run_all(Way::Direct, world, None);
    }
    let rows = matrix.rows.into_inner().expect("no panic");
    let is_well = report::print(&rows, begun.elapsed());
    // The brokers end before the process does.
    drop(world);
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
