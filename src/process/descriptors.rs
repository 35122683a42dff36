//! File descriptors: the limit of the process, how many are open, and the share of HTTP.

use std::fs;

use crate::kafka::Fault;

/// Raises the limit of open files as far as this process may: the soft limit is often 1024, and each broker costs
/// about nine descriptors. A limit that cannot be raised stays as it was.
pub fn raise_descriptor_limit() {
    _ = rlimit::increase_nofile_limit(u64::MAX);
}

/// The number of descriptors that this process may open. Absent if the operating system does not report it.
pub(super) fn descriptor_limit() -> Option<u64> {
    rlimit::Resource::NOFILE.get_soft().ok()
}

/// The number of HTTP connections to serve: the configured number, but at most a quarter of the descriptors that this
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

/// Number of open file descriptors. Absent if the operating system does not report it. Without a free descriptor they cannot
/// be counted: then all descriptors up to the limit are open.
pub(super) fn open_descriptors() -> Option<u64> {
    match fs::read_dir("/proc/self/fd") {
        Ok(entries) => Some(entries.count() as u64),
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => descriptor_limit(),
        Err(_) => None,
    }
}
