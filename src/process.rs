//! What the process knows of itself: memory, processor time, descriptors, busy workers.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use tokio_metrics::{RuntimeIntervals, RuntimeMonitor};

use crate::{
    certificates::Certificates, kafka::Fault, latency::SharedBuckets, metrics::process::Process, sync::lock,
};

/// Clock ticks a second in `/proc`: 100 on every Linux there is.
const TICKS_PER_SECOND: u64 = 100;
/// `/proc` tells memory in KiB.
const KIB: u64 = 1024;

/// What the C library keeps of freed memory at the top of each of its heaps.
#[cfg(target_env = "gnu")]
const KEPT_AT_MOST: libc::c_int = 128 * 1024;

/// Lets the C library give freed memory back. It raises what it keeps to twice the largest block ever freed, for each
/// of its heaps: a look at 25,000 commits would hold 30 MB more between looks than it needs. To be called first.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "there is no safe name for this")]
    // SAFETY: takes two numbers, and no other thread runs yet. What it refuses stays as it was.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_AT_MOST);
    }
}

/// From one time that free memory inside the heaps is given back to the next.
#[cfg(target_env = "gnu")]
const GIVE_BACK_EVERY: Duration = Duration::from_secs(30);

/// Memory is given back so many times after the process has grown: those who needed it may need it for a while.
#[cfg(target_env = "gnu")]
const GIVE_BACK_TIMES: u32 = 4;

/// Gives memory back after the process has grown by a tenth, without end. By itself the C library gives back only what
/// is free at the top of a heap: what 300 slow clients once needed would stay with the process for ever. A heap of 150 MB
/// is held for up to 16 ms meanwhile, so a process that does not grow is left alone.
pub async fn keep_giving_memory_back() {
    #[cfg(target_env = "gnu")]
    let (mut small, mut times) = (0, 0);
    #[cfg(target_env = "gnu")]
    loop {
        tokio::time::sleep(GIVE_BACK_EVERY).await;
        if memory().is_some_and(|now| now > small + small / 10) {
            times = GIVE_BACK_TIMES;
        }
        if times == 0 {
            continue;
        }
        times -= 1;
        let trimming = || {
            let (begun, before) = (Instant::now(), memory());
            #[expect(unsafe_code, reason = "there is no safe name for this")]
            // SAFETY: takes a number, and any thread may call it at any time.
            unsafe {
                libc::malloc_trim(0);
            }
            let (took, after) = (begun.elapsed(), memory());
            tracing::debug!(?took, before, after, "gave free memory back");
            after
        };
        small = tokio::task::spawn_blocking(trimming).await.ok().flatten().unwrap_or(small);
    }
}

/// Raises the limit of open files as far as this process may: the soft limit is often 1024, and each broker costs
/// about nine descriptors. A limit that cannot be raised stays as it was.
pub fn raise_descriptor_limit() {
    _ = rlimit::increase_nofile_limit(u64::MAX);
}

/// The number of descriptors that this process may open. Absent where the system does not tell.
fn descriptor_limit() -> Option<u64> {
    rlimit::Resource::NOFILE.get_soft().ok()
}

/// The number of HTTP connections to serve: what is configured, but at most a quarter of the descriptors that this
/// process may open, because the rest belongs to Kafka.
pub fn http_connections(configured: usize) -> usize {
    let most =
        descriptor_limit().and_then(|limit| usize::try_from(limit / 4).ok()).unwrap_or(usize::MAX).max(1);
    if configured > most {
        tracing::warn!(
            configured,
            served = most,
            hint = Fault::Descriptors.hint(),
            "[http] connections is more than a quarter of the descriptors that this process may open"
        );
    }
    configured.min(most)
}

/// The variables of the environment whose names and values are text.
pub fn environment() -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    env::vars_os().filter_map(text).collect()
}

/// Reads on demand.
pub struct Monitor {
    started: SystemTime,
    runtime: Mutex<Busy>,
    /// How long answers to scrapes take to put together.
    pub scrapes: Arc<SharedBuckets>,
    /// Our own certificates.
    pub certificates: Arc<Certificates>,
}

/// The runtime tells differences; we tell sums.
struct Busy {
    intervals: RuntimeIntervals,
    busy: Duration,
    workers: usize,
}

impl Monitor {
    /// Must be called inside a tokio runtime: that is the one that is watched.
    pub fn new(certificates: Arc<Certificates>) -> Self {
        let intervals = RuntimeMonitor::new(&tokio::runtime::Handle::current()).intervals();
        let runtime = Mutex::new(Busy { intervals, busy: Duration::ZERO, workers: 0 });
        Self { started: SystemTime::now(), runtime, scrapes: Arc::default(), certificates }
    }

    /// As it is now.
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
            scrapes: Some(self.scrapes.read()),
            fds: open_descriptors(),
            most_fds: descriptor_limit(),
        }
    }
}

/// Descriptors in use. Without a free one they cannot be counted: then all that are allowed are in use.
fn open_descriptors() -> Option<u64> {
    match fs::read_dir("/proc/self/fd") {
        Ok(entries) => Some(entries.count() as u64),
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => descriptor_limit(),
        Err(_) => None,
    }
}

/// The revision the program was built from, where the build was told.
pub fn revision() -> &'static str {
    option_env!("KAFKA_HEARTBEAT_REVISION").unwrap_or("unknown")
}

/// librdkafka's version.
pub fn librdkafka() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// User and system time: the 14th and 15th field, counted behind the name, which may hold anything.
fn cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * KIB)
}
