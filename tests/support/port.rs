//! Ports of loopback for listeners of the tests. They lie below the range from which systems take the local ports of outgoing
//! connections, so a broker that is down for a while finds its port still free.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
    time::SystemTime,
};

/// A listener on a port that nothing else used. Each call takes another port.
pub(crate) fn listen() -> TcpListener {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_micros());
    let _ = NEXT.compare_exchange(0, (start % u32::from(COUNT)) as u16, Ordering::Relaxed, Ordering::Relaxed);
    let mut ports = (0..COUNT).map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT);
    let listener = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    listener.expect("20,000 ports are not all taken")
}

/// A port that nothing used a moment ago.
pub(crate) fn free_port() -> u16 {
    listen().local_addr().expect("a listener has an address").port()
}
