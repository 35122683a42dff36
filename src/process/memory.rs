//! Memory: how much the process has, and giving back what it does not need.

use std::fs;
#[cfg(target_env = "gnu")]
use std::time::{Duration, Instant};

/// The kernel reports memory in units of 1024 bytes.
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

/// Resident memory in bytes, from the line `VmRSS` of `/proc/self/status`; `None` without such a line.
pub(super) fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * KIB)
}
