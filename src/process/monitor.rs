//! Reads facts about the process: memory, processor time, descriptors, busy workers.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio_metrics::{RuntimeIntervals, RuntimeMonitor};

use super::{
    build::{librdkafka, revision},
    descriptors::{descriptor_limit, open_descriptors},
    facts::{ConfigFacts, Process},
    memory::memory,
};
use crate::{certificates::Certificates, latency::SharedBuckets, sync::lock};

/// Clock ticks a second in `/proc`: 100 on every Linux architecture.
const TICKS_PER_SECOND: u64 = 100;

/// Reads facts about the process on demand.
pub struct Monitor {
    started: SystemTime,
    runtime: Mutex<Busy>,
    /// Time to build each answer of `/metrics`.
    pub scrapes: Arc<SharedBuckets>,
    /// The certificates that the service itself presents.
    pub certificates: Arc<Certificates>,
    /// The configuration that was last read.
    config: Mutex<ConfigFacts>,
}

/// Sums of the differences that the runtime reports.
struct Busy {
    intervals: RuntimeIntervals,
    busy: Duration,
    workers: usize,
}

impl Monitor {
    /// A monitor of the tokio runtime that this function is called in. The listing is that of `--print-config`.
    ///
    /// # Panics
    /// The function is called outside of a tokio runtime.
    pub fn new(certificates: Arc<Certificates>, listing: &str) -> Self {
        let intervals = RuntimeMonitor::new(&tokio::runtime::Handle::current()).intervals();
        let runtime = Mutex::new(Busy { intervals, busy: Duration::ZERO, workers: 0 });
        let config = Mutex::new(ConfigFacts::of(listing));
        Self { started: SystemTime::now(), runtime, scrapes: Arc::default(), certificates, config }
    }

    /// Notes that the configuration was read again. The listing is that of `--print-config`; `None` if the configuration
    /// cannot be used as a whole.
    pub fn config_was_read(&self, listing: Option<&str>) {
        let mut config = lock(&self.config);
        match listing {
            Some(listing) => *config = ConfigFacts::of(listing),
            None => config.last_was_successful = false,
        }
    }

    /// The facts as of now.
    pub fn read(&self) -> Process {
        let (busy, workers) = {
            let mut runtime = lock(&self.runtime);
            if let Some(interval) = runtime.intervals.next() {
                runtime.busy += interval.total_busy_duration;
                runtime.workers = interval.workers_count;
            }
            (runtime.busy, runtime.workers)
        };
        Process {
            version: env!("CARGO_PKG_VERSION"),
            revision: revision(),
            librdkafka: librdkafka(),
            started: Some(self.started),
            busy,
            workers,
            cpu: cpu(),
            memory: memory(),
            exports: None,
            traces: None,
            published: Vec::new(),
            certificates: self.certificates.known(),
            config: Some(*lock(&self.config)),
            scrapes: Some(self.scrapes.read()),
            fds: open_descriptors(),
            most_fds: descriptor_limit(),
        }
    }
}

/// User and system CPU time: fields 14 and 15 of `/proc/self/stat`. Fields are counted after the name of the program, which
/// may hold any character. Absent if the file cannot be read.
fn cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}
