//! What 50,000 series cost on their way out: processor time, and memory beyond what they are when written.
//!
//! `cargo bench --bench export -- [ROUNDS] [SERIES]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{collections::BTreeMap, fs, hint::black_box, process, time::SystemTime};

use kafka_heartbeat::{
    catalog::collect as c,
    export::{
        otlp::{Encoder, Sent, Settings, Temporality},
        prometheus::{Blocks, Format, Parts, Storage},
    },
    metrics::{Series, Sink, Value},
};
use measure::{median, number, peak_mb, processor_seconds, resident_mb};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;

/// The kernel reports processor time in hundredths of a second: so many exports are measured at once.
const AT_ONCE: u32 = 10;

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    kafka_heartbeat::process::give_memory_back();
    let rounds = number(&arguments, 0, 9);
    let count = number(&arguments, 1, 50_000) as usize;
    let names: Vec<[String; 3]> = (0..count / 2)
        .map(|number| [number / 50, number / 25 % 2, number % 25].map(|part| format!("some-name-{part}")))
        .collect();
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
        for storage in [Storage::Plain, Storage::Packed] {
            let packed = storage == Storage::Packed;
            let write = || {
                let mut blocks = Blocks::new(&BTreeMap::new(), format).storage(storage);
                series(&names).for_each(|one| blocks.push(one));
                let blocks = blocks.done();
                let parts = Parts::of(&[&blocks], format);
                let parts = if packed { parts.packed() } else { parts.plain() };
                parts.iter().map(bytes::Bytes::len).sum()
            };
            report(&format!("{format:?}{}", if packed { ", packed" } else { "" }), rounds, write);
        }
    }
    let settings = Settings {
        temporality: Temporality::Cumulative,
        exponential: true,
        resource: Vec::new(),
        constant: BTreeMap::new(),
    };
    let (mut sent, begun) = (Sent::default(), SystemTime::now());
    // The first export also notes what it sent. What was accepted is noted later, outside of the measured time.
    report("OTLP", rounds, || {
        let mut encoder = Encoder::new(&settings, &mut sent, begun, SystemTime::now());
        series(&names).for_each(|one| encoder.push(one));
        encoder.requests().iter().map(|request| request.body().len()).sum()
    });
}

fn series(names: &[[String; 3]]) -> impl Iterator<Item = Series<'_>> {
    names.iter().enumerate().flat_map(|(number, [group, topic, partition])| {
        let at = || ["cluster".into(), group.into(), topic.into(), partition.into()];
        let (lag, age) = (Value::Number(number as f64), Value::Number(number as f64 / 7.0));
        [c::GROUP_LAG.series(at(), lag), c::GROUP_LAG_SECONDS.series(at(), age)]
    })
}

/// Writes a few times, and prints what that took.
fn report(name: &str, rounds: u64, mut write: impl FnMut() -> usize) {
    let size = write();
    let before = resident_mb(process::id());
    // Sets the peak back to what is resident now.
    fs::write("/proc/self/clear_refs", "5").expect("the peak can be set back");
    black_box(write());
    let extra = peak_mb(process::id()) - before;
    let mut took = Vec::new();
    for _ in 0..rounds {
        let used = processor_seconds(process::id());
        (0..AT_ONCE).for_each(|_| _ = black_box(write()));
        took.push(1e3 * (processor_seconds(process::id()) - used) / f64::from(AT_ONCE));
    }
    let size = size as f64 / 1e6;
    println!(
        "{name}: {:.0} ms of processor time; {size:.1} MB, {extra:.1} MB more at the peak, {:.2} times that",
        median(&took),
        extra / size
    );
}
