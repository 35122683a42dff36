//! Resident memory of the process, and giving freed memory back to the operating system.

use std::fs;
#[cfg(target_env = "gnu")]
use std::time::{Duration, Instant};

/// The kernel reports memory in units of 1024 bytes.
const KIB: u64 = 1024;

/// Bytes of freed memory that the C library keeps at the top of each of its heaps.
#[cfg(target_env = "gnu")]
const KEPT_AT_MOST: libc::c_int = 128 * 1024;

/// Lets the C library give freed memory back. By default, the C library raises what it keeps in each heap to twice the
/// largest block ever freed: with 25,000 committed offsets, 30 MB would stay unused between two cycles. Must be called
/// before any thread is started.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "there is no safe name for this")]
    // SAFETY: the function takes two numbers, and no other thread runs yet. A refused setting stays as it was.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_AT_MOST);
    }
}

/// Time between two attempts to give memory inside the heaps back.
#[cfg(target_env = "gnu")]
const GIVE_BACK_EVERY: Duration = Duration::from_secs(30);

/// Number of times that memory is given back after the process has grown: the memory may be in use for a while first.
#[cfg(target_env = "gnu")]
const GIVE_BACK_TIMES: u32 = 4;

/// Gives memory back after the process has grown by a tenth, without end. The C library itself gives back
/// only memory at the top of a heap: memory that 300 slow clients once needed would stay with the process. A heap of 150 MB
/// is locked for up to 16 ms meanwhile, so nothing is done while the process does not grow.
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
            // SAFETY: the function takes a number, and any thread may call it at any time.
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
